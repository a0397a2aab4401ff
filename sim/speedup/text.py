"""``report.md`` and the table on a terminal."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from model.bits import TAPS
from sim.report.text import markdown_table
from sim.report.words import percent

__all__ = ["HEADINGS", "cells", "findings", "markdown", "table"]

HEADINGS = (
    "basis", "binary", "sub-bit", "cycles binary", "cycles sub-bit", "useful", "LUT binary",
    "LUT sub-bit", "speed-up", "one lane", "closed form", "published",
)  # fmt: skip


def cells(row: dict) -> list[str]:
    """One row, as text."""
    return [
        row["basis"],
        _array(row["parameters"]["binary"]),
        _array(row["parameters"]["subbit"]),
        f"{row['binary_cycles']:,}",
        f"{row['subbit_cycles']:,}",
        percent(row["subbit_useful"]),
        *("–" if row[key] is None else f"{row[key]:,}" for key in ("lut_binary", "lut_subbit")),
        _times(row["speedup"]),
        *(_times(row.get(key)) for key in ("speedup_one_lane", "closed_form", "published")),
    ]


def _array(p: dict) -> str:
    """An array in short: direct 56×1; shared 56×8, F 1, antipodal."""
    size = f"{p['array']} {p['pixels']}×{p['channels']}"
    if p["array"] == "direct":
        return size
    return f"{size}, F {p['fill']}, {'antipodal' if p['antipodal'] else 'general'}"


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}×"


def findings(report: dict) -> list[str]:
    """What the rows say beyond their figures, a sentence each."""
    rows = report["rows"]
    values = sum(row["values_compared"] for row in rows)
    lines = [
        f"All {values:,} values of the rows' tensors equal the golden model, and the cycles of "
        "every simulated layer are as predicted.",
    ]
    whole = [row for row in rows if len(row["simulated_layers"]) == len(row["layers"])]
    if len(whole) == len(rows):
        lines.append("Every layer of every row was simulated whole.")
    for row in rows:
        if row not in whole:
            cuts = [str(count) for count in row["cut_rows"].values() if count]
            lines.append(
                f"{_array(row['parameters']['subbit'])}: of maps cut to {' and '.join(cuts)} rows "
                "every layer was simulated, as predicted; the whole maps' cycles are the cycle "
                "model's."
            )
    for row in rows:
        if row.get("published"):
            lines.append(_reproduced(row))
        if row["basis"] == "lut":
            lines.append(_areas(row))
        if row["basis"] == "index_bandwidth":
            lines.append(_bandwidth(row))
    return lines


def _reproduced(row: dict) -> str:
    """How the published element came out, and what explains the difference."""
    apart = row["speedup"] / row["published"] - 1
    one_lane = row["speedup_one_lane"] / row["published"] - 1
    outside = (1 - row["binary_inside"], 1 - row["subbit_inside"])
    return (
        f"The published element: {row['speedup']:.3f}× against {row['published']}× ({apart:+.1%}). "
        "Without the cycles of lanes beyond a map's end, on both sides, "
        f"{row['speedup_one_lane']:.3f}× ({one_lane:+.1%}): "
        f"{row['parameters']['subbit']['pixels']} lanes step together, and small maps, whose "
        "layers gain most, leave some of them idle; the published element has one lane. Outside "
        f"of passes, in pipelines that fill and drain, go {percent(outside[0], 3)} (binary) and "
        f"{percent(outside[1], 3)} (sub-bit) of the cycles."
    )


def _areas(row: dict) -> str:
    """How equal the LUTs are, what was not synthesised, and what the arrays' clocks add."""
    left, clocks = row["index_bits_left_out"], row["clocks"]
    own = ""
    if clocks:
        binary, subbit = (clocks[side]["fmax_mhz"] for side in ("binary", "subbit"))
        own = (
            f" Arrays alone on an ECP5-85F reach {binary:.1f} and {subbit:.1f} MHz: each at its "
            f"own clock, {row['speedup_own_clocks']:.3f}×."
        )
    return (
        f"{row['budget']:,} LUTs: {row['lut_binary']:,} binary and {row['lut_subbit']:,} sub-bit "
        f"(Yosys, whole engine); {row['cycle_ratio']:.3f}× by cycles, "
        f"{row['speedup']:.3f}× with rates scaled to equal LUTs. Left out of the netlists: all "
        f"index words but the first, {left['binary']:,} and {left['subbit']:,} bits.{own}"
    )


def _bandwidth(row: dict) -> str:
    """How wide the port is, and what is kept behind it."""
    most = TAPS / row["parameters"]["subbit"]["tau"]
    return (
        f"Index bandwidth: {row['port_bits']} bits a cycle for both, {row['buffer_words']:,} index "
        f"words kept on chip; {row['speedup']:.3f}×, where indices alone would give {most:.2f}×."
    )


def table(report: dict) -> Table:
    """To print with a rich console."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    used = _used(report)
    for place in used:
        heading = HEADINGS[place].replace(" ", "\n")
        shown.add_column(heading, justify="left" if place < 3 else "right", no_wrap=True)
    for row in report["rows"]:
        texts = cells(row)
        shown.add_row(*(texts[place] for place in used))
    return shown


def _used(report: dict) -> list[int]:
    """The columns in which any row says something."""
    rows = [cells(row) for row in report["rows"]]
    return [n for n in range(len(HEADINGS)) if any(row[n] != "–" for row in rows)]


def markdown(report: dict) -> str:
    """The text of ``report.md``, without the last newline."""
    used = _used(report)
    lines = [f"# Speed-up of {report['bits']}-bit weights: {report['net']}, 3x3 layers", ""]
    lines += markdown_table(
        [HEADINGS[n] for n in used], [[cells(row)[n] for n in used] for row in report["rows"]]
    )
    lines += ["", *(f"- {line}" for line in findings(report)), ""]
    if report["published"]:
        lines += [f"Published: {report['published']['source']}.", ""]
    best = max(report["rows"], key=lambda row: row["speedup"])
    words = _array(best["parameters"]["subbit"])
    lines += [f"Layers of the row with the highest speed-up, {words}:"]
    lines += ["", *markdown_table(_LAYER_HEADINGS, [_layer(entry) for entry in best["layers"]]), ""]
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    lines += ["Made by:", "", f"    {report['command']}", ""]
    lines += [f"{versions}; commit {report['commit'] or 'unknown'}."]
    return "\n".join(lines)


_LAYER_HEADINGS = ("layer", "channels", "map", "cycles binary", "sub-bit", "useful", "speed-up")


def _layer(entry: dict) -> list[str]:
    return [
        entry["name"],
        f"{entry['c_in']} → {entry['c_out']}",
        f"{entry['height']} × {entry['width']}",
        f"{entry['binary_cycles']:,}",
        f"{entry['subbit_cycles']:,}",
        percent(entry["subbit_useful"]),
        _times(entry["speedup"]),
    ]
