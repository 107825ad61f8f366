"""Every stage of every small model has the digest of the CPU, for the default prompts and for others."""

import concurrent.futures

from ..bits import same_bits
from ..figure import agreement, missing
from ..session import ROOT, tokens, vocabulary

# On both sides of every border: the kernels for 1, 2, 4 and 8 tokens, tiles of 16, 32 and 64.
LENGTHS = [1, 2, 3, 8, 9, 16, 17, 33, 64, 65, 128]
# For models whose only other type is decoded before it is multiplied.
FEW = [1, 9]
WORKERS = 8


def run(session):
    names = session.small_models()
    pairs = {name: session.pair(name) for name in names}
    if not session.small:
        committed = ROOT / "fixtures" / "models" / "qwen3-q4_k_m.gguf"
        pairs[committed.stem] = session.converted(committed, session.folder / "committed.apr")
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        running = {}
        for name, pair in pairs.items():
            size = vocabulary(session.verify(pair, "cpu")[0])
            lengths = FEW if session.small or name.startswith("type-") else LENGTHS
            asked = [[], *(["--tokens", tokens(length, size)] for length in lengths)]
            running[name] = lengths, [pool.submit(same_bits, session, pair, arguments) for arguments in asked]
        for name, (lengths, futures) in running.items():
            outcomes = [future.result() for future in futures]
            how = f"aprove verify {name}.apr {name}.gguf --device cuda, and cpu: whole reports"
            lost = [outcome.reason for outcome in outcomes if outcome.equal is None]
            wrong = [outcome.reason for outcome in outcomes if outcome.equal is False]
            if wrong:
                yield agreement(name, False, how, reason=wrong[0])
            elif lost:
                yield missing(name, lost[0], how)
            else:
                stages = sum(outcome.stages for outcome in outcomes)
                digests = sorted({digest for outcome in outcomes for digest in outcome.digests})
                prompts = ["default", *(f"{length} tokens" for length in lengths)]
                yield agreement(name, True, how, prompts=prompts, stages=stages, runs=digests)
