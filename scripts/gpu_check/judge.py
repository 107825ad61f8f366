"""The targets, and the figures that they are held to."""

MOST_OF_GEMV = 8


def targets(results):
    """A list of {target, figure, met}; `met` is None where it was not measured."""
    found = {name: result["figures"] for name, result in results.items()}
    rows = []
    for judge in (gemv, gemm, ggml, pair_time, pair_rate, layer):
        rows += judge(found)
    return rows


def gemv(found):
    """Products for one token: the bytes of their weights per second, against a copy on the GPU."""
    copy = value(found, "matmul", "device copy")
    rows = []
    for kind in ("q4_k", "q6_k"):
        every = [figure for figure in ours(found) if figure["kind"] == kind and figure["tokens"] == 1]
        for figure in every or [None]:
            share = figure and copy and figure["gigabytes_per_second"] / copy
            name = f"{kind} gemv, {figure['rows']} x {figure['columns']}" if figure else f"{kind} gemv"
            rows.append(row(f"{name}: share of the device copy, 1 token", share, at_least=0.55))
    return rows


def gemm(found):
    """Products for many tokens: beside SGEMM of cuBLAS, which has f32 weights."""
    blas = {(f["shape"], f["tokens"]): f for f in found.get("matmul", []) if f.get("cublas")}
    rows = []
    every = [figure for figure in ours(found) if figure["tokens"] > MOST_OF_GEMV]
    for figure in every or [None]:
        beside = figure and blas.get((figure["shape"], figure["tokens"]))
        share = figure and beside and beside["value"] / figure["value"]
        name = (
            f"{figure['kind']} gemm, {figure['rows']} x {figure['columns']}, {figure['tokens']} tokens"
            if figure
            else "gemm"
        )
        rows.append(row(f"{name}: share of cuBLAS SGEMM", share, at_least=0.75))
    return rows


def ggml(found):
    every = [f for f in found.get("ggml", []) if f.get("tokens") == 1 and f.get("kind")]
    return [
        row(
            f"{f['kind']} gemv: share of ggml's mmvq, 1 token" if f else "gemv: share of ggml's mmvq, 1 token",
            f and f["value"],
            at_least=0.9,
        )
        for f in every or [None]
    ]


def pairs(found):
    """The figures of whole pairs, up to 128 tokens."""
    every = [f for f in found.get("pair", []) if f.get("tokens") and f["tokens"] <= 128]
    return every or [None]


def pair_time(found):
    return [
        row(f"{f['name'] if f else 'pair'}: seconds, bytes and behaviour", f and f["value"], at_most=0.6)
        for f in pairs(found)
    ]


def pair_rate(found):
    """Bytes of both files per second of the whole process, against uploads from pinned memory."""
    pinned = value(found, "upload", "pinned")
    rows = []
    for f in pairs(found):
        name = f["name"] if f else "pair"
        for what, key in (
            ("bytes and behaviour", "gigabytes_per_second"),
            ("behaviour alone", "behaviour_gigabytes_per_second"),
        ):
            share = f and pinned and f[key] and f[key] / pinned
            rows.append(row(f"{name}: share of pinned upload, {what}", share, at_least=0.8))
    return rows


def layer(found):
    """The share that is not products: of what a layer takes on the GPU, and of the wall time of a pair."""
    share = next((f for f in found.get("other-kernels", []) if f["name"] == "share of a layer"), None)
    rows = [
        row("norm, rope, attention, silu, add: share of a layer, 128 tokens", share and share["value"], at_most=0.1)
    ]
    whole = next((f for f in found.get("pair", []) if f.get("tokens") == 128), None)
    of_wall = share and whole and 2 * LAYERS * share["seconds"] / whole["value"]
    rows.append(row("the same in 28 layers of both files: share of the wall time of a pair", of_wall, at_most=0.1))
    names = {"records of a layer": 2, "comparisons of a layer": 1}
    every = [f for f in found.get("other-kernels", []) if f["name"] in names]
    seconds = sum(names[f["name"]] * f["seconds"] for f in every)
    of_wall = LAYERS * seconds / whole["value"] if whole and len(every) == len(names) else None
    rows.append(row("records and comparisons of stages: share of the wall time of a pair", of_wall, at_most=0.1))
    return rows


def ours(found):
    return [figure for figure in found.get("matmul", []) if figure.get("kind") and "tokens" in figure]


def value(found, part, name):
    return next((figure["value"] for figure in found.get(part, []) if figure["name"] == name), None)


def row(name, figure, at_least=None, at_most=None):
    met = None if figure is None else figure >= at_least if at_most is None else figure <= at_most
    target = f"at least {at_least}" if at_most is None else f"at most {at_most}"
    return {"name": name, "target": target, "figure": figure, "met": met}


LAYERS = 28
