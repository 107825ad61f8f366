"""Whether a pair behaves on the GPU bit for bit as on the CPU."""

import dataclasses


@dataclasses.dataclass
class Outcome:
    """`equal` is None where the GPU could not run it."""

    equal: bool | None
    reason: str = ""
    stages: int = 0
    digests: list = dataclasses.field(default_factory=list)


def same_bits(session, pair, arguments):
    """Verifies a pair on both, and holds the whole behaviour of one report against that of the other."""
    cpu, code, _ = session.verify(pair, "cpu", *arguments)
    if code != 0:
        return Outcome(None, f"the processor does not verify it: {reasons(cpu)}")
    cuda, code, _ = session.verify(pair, session.cuda, *arguments)
    if code != 0:
        why = reasons(cuda)
        # What the program says when its own check finds other bits, and when only the GPU sees a difference.
        found = any(words in why for words in WRONG_BITS)
        return Outcome(False if found else None, f"aprove verify --device cuda ended with {code}: {why}")
    if cuda["behaviour"]["device"] != "cuda":
        return Outcome(None, f"it ran on {cuda['behaviour']['device']}")
    if not cuda["behaviour"].get("weights"):
        return Outcome(None, "the report does not say which bytes reached the GPU")
    first = difference(cpu["behaviour"], cuda["behaviour"])
    prompts = cpu["behaviour"]["prompts"]
    return Outcome(
        first is None,
        first or "",
        cpu["behaviour"]["stages"],
        [prompt["gguf"] for prompt in prompts],
    )


def difference(cpu, cuda):
    """The first place where two behaviours differ, other than in the device."""
    for one, other in zip(cpu["prompts"], cuda["prompts"]):
        for row, found in zip(one["table"], other["table"]):
            if row != found:
                return f"prompt {one['name']}, stage {row['stage']}: {row} on the CPU, {found} on the GPU"
    without_device = [
        {key: value for key, value in side.items() if key not in OF_THE_DEVICE} for side in (cpu, cuda)
    ]
    return None if without_device[0] == without_device[1] else "the reports differ"


def reasons(report):
    return "; ".join(finding["message"] for finding in report["findings"]) or report["verdict"]


OF_THE_DEVICE = ["device", "device_reason", "weights"]
WRONG_BITS = ["gives other bits on this GPU", "finds a difference that the CPU does not"]
