"""Tables of a report: for the terminal by rich, for ``report.md`` in Markdown; same columns."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

__all__ = ["markdown", "terminal_table"]

_HEADINGS = (
    "layer", "cycles", "predicted", "useful", "fill", "drain", "stall",
    "useful share", "MACs", "lane use",
)  # fmt: skip


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"


def _cells(row: dict) -> list[str]:
    """One row, as text; works for layers and for the totals."""
    numbers = (row[key] for key in ("cycles", "predicted", "useful", "fill", "drain", "stall"))
    return [
        row["name"],
        *(f"{number:,}" for number in numbers),
        _percent(row["useful_share"]),
        f"{row['macs']:,}",
        _percent(row["lane_use"]),
    ]


def _total(report: dict) -> dict:
    """The sum over the layers, of one image on its own."""
    layers = report["layers"]
    keys = ("cycles", "predicted", "useful", "fill", "drain", "stall", "macs")
    total = {key: sum(layer[key] for layer in layers) for key in keys}
    cycles = max(total["cycles"], 1)
    slots = cycles * 9 * report["pixels"] * report["channels"]
    shares = {"useful_share": total["useful"] / cycles, "lane_use": report["macs"] / slots}
    return {"name": "all"} | total | shares


def _facts(report: dict) -> list[tuple[str, str]]:
    """What a reader wants to know first, as pairs of a name and a text."""
    interval = report["interval_cycles"]
    stream = (
        "one image only"
        if interval is None
        else f"every {interval:,} cycles; useful share {_percent(report['useful_share'])}, "
        f"lane use {_percent(report['lane_use'])}"
    )
    tau = ", ".join(str(tau) for tau in report["tau"])
    fill = f", fill {report['fill']}" if report["fill"] else ""
    problems = report["cycle_problems"]
    stalls = f", random stalls of seed {report['seed']}" if report["stalls"] else ""
    return [
        ("model", f"{report['model']}, tau {tau}, {report['stored_bits']:,} bits of indices"),
        (
            "engine",
            f"{report['array']} array, {report['pixels']} pixels x {report['channels']} channels"
            f"{fill}{stalls}",
        ),
        (
            "images",
            f"{report['images']} of {report['dataset']}, from number {report['first_image']} on; "
            f"accuracy {_percent(report['accuracy'])}",
        ),
        (
            "values",
            f"{report['values_compared']:,} compared with the golden model, "
            f"{report['mismatches']:,} differ",
        ),
        ("cycles", problems[0] if problems else "as predicted, every layer of every image"),
        ("results", stream),
        (
            "simulation",
            f"{report['simulated_cycles']:,} cycles in {report['seconds']:,.1f} s, "
            f"{report['images'] / max(report['seconds'], 1e-3):.2f} images/s",
        ),
    ]


def _justify(heading: str) -> str:
    return "left" if heading == "layer" else "right"


def terminal_table(report: dict) -> tuple[Table, Table]:
    """Facts and layers, to print with a rich console."""
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column()
    for name, text in _facts(report):
        facts.add_row(name, text)
    layers = Table(
        title="one image",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for heading in _HEADINGS:
        layers.add_column(heading.replace(" ", "\n"), justify=_justify(heading), no_wrap=True)
    for layer in report["layers"]:
        layers.add_row(*_cells(layer))
    layers.add_section()
    layers.add_row(*_cells(_total(report)), style="bold")
    return facts, layers


def markdown(report: dict) -> str:
    """The text of ``report.md``."""
    lines = [f"# Simulation of {report['model']}", ""]
    lines += [f"- {name}: {text}" for name, text in _facts(report)]
    if report["first_difference"]:
        lines += [f"- **first difference: {report['first_difference']['text']}**"]
    lines += ["", "Cycles of one image:", ""]
    aligned = [":---", *["---:"] * (len(_HEADINGS) - 1)]
    for cells in (_HEADINGS, aligned, *map(_cells, [*report["layers"], _total(report)])):
        lines.append(f"| {' | '.join(cells)} |")
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    lines += [
        "",
        "`useful share` is the part of the cycles in which the array computes, `lane use` the "
        "part of the multiply-accumulates it could do that the layer asks for.",
        "",
        f"{versions}, commit {report['commit'] or 'unknown'}. Made by:",
        "",
        f"    {report['command']}",
    ]
    return "\n".join(lines)
