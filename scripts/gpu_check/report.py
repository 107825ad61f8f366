"""What was found as text for a person, and as an exit code."""

WORDS = {True: "met", False: "NOT MET", None: "not measured"}


def part_text(name, result):
    """What a part found, as soon as it has ended."""
    reason = f": {result['reason']}" if result["reason"] else ""
    lines = [f"\n{name}: {result['status']} in {result['seconds']:.1f} s{reason}"]
    for figure in result["figures"]:
        lines.append(f"  {figure['name']:<58} {shown(figure)}")
    return "\n".join(lines)


def shown(figure):
    value = figure["value"]
    if value is None:
        return f"not measured: {figure.get('reason', '')}"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    rates = [
        ("gigabytes_per_second", "GB/s"),
        ("teraflops", "TFLOP/s"),
    ]
    more = "".join(f", {figure[key]:.4g} {unit}" for key, unit in rates if key in figure)
    return f"{text} {figure.get('unit', '')}".rstrip() + more


def targets_text(rows, real):
    if not real:
        return "\ntargets: none is judged, without a real GPU or with --small"
    lines = ["\ntargets"]
    for row in rows:
        figure = "-" if row["figure"] is None else f"{row['figure']:.3f}"
        lines.append(f"  {row['name']:<82} {row['target']:<14} {figure:>8}  {WORDS[row['met']]}")
    return "\n".join(lines)


def exit_code(results):
    """0 when everything was measured and every bit is right, 1 when a bit is wrong, 2 otherwise."""
    figures = [figure for result in results.values() for figure in result["figures"]]
    if any(figure.get("right") is False for figure in figures):
        return 1
    measured = bool(results) and all(result["status"] == "measured" for result in results.values())
    return 0 if measured else 2
