"""Every stage of a pair with the shapes of a 7B model has the digest of the CPU."""

from ..bits import same_bits
from ..figure import agreement, missing
from ..session import tokens

LENGTHS = [1, 8, 33, 128]


def run(session):
    name, size = session.large()
    pair = session.pair(name)
    for length in [8] if session.small else LENGTHS:
        outcome = same_bits(session, pair, ["--tokens", tokens(length, size)])
        how = f"aprove verify {name}.apr {name}.gguf --tokens ({length} ids) --device cuda, and cpu: whole reports"
        what = f"{name}, {length} tokens"
        if outcome.equal is None:
            yield missing(what, outcome.reason, how)
        else:
            more = {"stages": outcome.stages, "runs": outcome.digests} if outcome.equal else {"reason": outcome.reason}
            yield agreement(what, outcome.equal, how, **more)
