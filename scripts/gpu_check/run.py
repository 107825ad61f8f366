"""Runs parts, each in a process of its own: one that hangs is ended, and a lost context is not that of the next one."""

import multiprocessing
import os
import signal
import time
import traceback

from . import plan
from .figure import Skipped


def run_all(session, names):
    """Runs parts one by one within the seconds of the session; yields the name and the result of each."""
    end = time.monotonic() + session.seconds
    for name, _, most in plan.PARTS:
        if name not in names:
            continue
        left = end - time.monotonic()
        if left < plan.LEAST:
            yield name, {"status": "skipped", "reason": "no time was left", "seconds": 0.0, "figures": []}
        else:
            # A part alone may take all the time that there is.
            yield name, run_part(session, name, left if len(names) == 1 else min(most, left))


def run_part(session, name, limit):
    """Runs a part in a child process, and keeps what it has told when its time is up."""
    receiver, sender = FORK.Pipe(duplex=False)
    start = time.monotonic()
    child = FORK.Process(target=inside, args=(session, name, sender))
    child.start()
    sender.close()
    figures, ending = [], None
    while ending is None:
        left = limit - (time.monotonic() - start)
        if left <= 0 or not receiver.poll(left):
            ending = ("partly", f"its {limit:.0f} seconds were over; what has no figure was not measured")
            break
        try:
            kind, said = receiver.recv()
        except EOFError:
            child.join(5)
            ending = ("failed", f"its process ended with {child.exitcode}")
            break
        if kind == "figure":
            figures.append(said)
        else:
            ending = said
    stop(child)
    status, reason = judged(ending, figures)
    return {"status": status, "reason": reason, "seconds": round(time.monotonic() - start, 3), "figures": figures}


def judged(ending, figures):
    """Nothing is `measured` unless all of it was, and every bit was right."""
    status, reason = ending
    wrong = [figure for figure in figures if figure.get("right") is False]
    lost = [figure for figure in figures if figure["value"] is None]
    if wrong:
        return "failed", f"wrong: {wrong[0]['name']}: {wrong[0].get('reason', '')}"
    if status not in ("measured", "partly"):
        return status, reason
    named = "; ".join(f"{figure['name']}: {figure.get('reason', 'not told')}" for figure in lost)
    reasons = [reason, f"not measured: {named}" if lost else "", "" if figures else "it measured nothing"]
    whole = "; ".join(filter(None, reasons))
    if not whole:
        return "measured", ""
    return ("partly" if len(lost) < len(figures) else "failed"), whole


def inside(session, name, sender):
    """What the child does."""
    os.setsid()
    try:
        for figure in plan.module(name).run(session):
            sender.send(("figure", figure))
        sender.send(("end", ("measured", "")))
    except Skipped as why:
        sender.send(("end", ("skipped", str(why))))
    except Exception as error:  # whatever it is, it is told
        where = traceback.extract_tb(error.__traceback__)[-1]
        at = f"{os.path.basename(where.filename)}:{where.lineno}"
        sender.send(("end", ("failed", f"{type(error).__name__}: {error} ({at})")))
    # Without what an interpreter does at its end: a driver in trouble may wait in it for ever.
    sender.close()
    os._exit(0)


def stop(child):
    """Ends the child with all that it started."""
    child.join(0.5)
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    # Not for ever: a driver in trouble keeps a process that was killed.
    child.join(5)


# This process never opens the GPU, and has no other threads.
FORK = multiprocessing.get_context("fork")
