"""The results as a table, and what they say about each other."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sim.bench.measure import Row

__all__ = ["markdown", "ratios", "table"]

_HEADINGS = (
    "network", "array", "engine", "cycles/s", "M kernel applications/s", "images/s",
    "compiled in s", "starts again in s",
)  # fmt: skip


def _cells(row: Row) -> list[str]:
    started = "-" if row.start_seconds is None else f"{row.start_seconds:.1f}"
    return [
        row.network,
        f"{row.array} {row.pixels}x{row.channels}",
        row.engine,
        f"{row.cycles_per_second:,.0f}",
        f"{row.kernel_applications_per_second / 1e6:,.2f}",
        f"{row.images_per_second:,.2f}",
        f"{row.compile_seconds:.1f}",
        started,
    ]


def table(rows: Sequence[Row]) -> Table:
    """To print with a rich console."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, heading in enumerate(_HEADINGS):
        justify = "left" if place < 3 else "right"
        shown.add_column(heading.replace(" ", "\n", 2), justify=justify, no_wrap=True)
    for row in rows:
        shown.add_row(*_cells(row))
    return shown


def ratios(rows: Sequence[Row]) -> list[str]:
    """Speed of engines against each other on the same circuit, a line each."""
    speed = {
        (f"{row.network}, {row.array} {row.pixels}x{row.channels}", row.engine): (
            row.cycles_per_second
        )
        for row in rows
    }
    lines = []
    for (case, engine), fast in speed.items():
        if engine == "compiled" and (slow := speed.get((case, "python"))):
            lines.append(f"{case}: compiled is {fast / slow:,.0f} times as fast as python")
        if engine == "observed" and (bare := speed.get((case, "verilator"))):
            lines.append(f"{case}: observing costs {1 - fast / bare:.0%} of the bare speed")
        if engine == "observed" and (checked := speed.get((case, "compiled"))):
            lines.append(f"{case}: comparing costs another {1 - checked / fast:.0%}")
        if engine == "cxxrtl" and (other := speed.get((case, "verilator"))):
            lines.append(f"{case}: Verilator is {other / fast:,.1f} times as fast as CXXRTL")
    return lines


def markdown(rows: Sequence[Row], facts: dict) -> str:
    """The text of ``sim.md``."""
    aligned = [":---"] * 3 + ["---:"] * (len(_HEADINGS) - 3)
    lines = ["# Speed of simulation", ""]
    lines += [f"| {' | '.join(cells)} |" for cells in (_HEADINGS, aligned, *map(_cells, rows))]
    lines += ["", *(f"- {line}" for line in ratios(rows)), ""]
    versions = ", ".join(f"{name} {text}" for name, text in facts["versions"].items() if text)
    lines += [f"{facts['machine']}; {versions}; commit {facts['commit'] or 'unknown'}. Made by:"]
    lines += ["", f"    {facts['command']}"]
    return "\n".join(lines)
