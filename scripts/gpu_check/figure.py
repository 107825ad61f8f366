"""What a part says: figures, or why there are none."""


class Skipped(Exception):
    """The part needs what is not there: no fault of the program."""


def figure(name, value, unit="", how="", **more):
    """A figure: what it is called, its value, and how it came to be, such as the command.

    `more` may hold what a target needs, such as the size of the work.
    """
    return {"name": name, "value": value, "unit": unit, "how": how, **more}


def agreement(name, right, how, words=("equal", "WRONG"), **more):
    """Whether bits of the GPU are those of the CPU. One `False` makes the whole run end with 1."""
    return {"name": name, "value": words[0 if right else 1], "right": bool(right), "how": how, **more}


def missing(name, reason, how=""):
    """A figure that was asked for and could not be measured."""
    return {"name": name, "value": None, "reason": reason, "how": how}
