"""Plans as tables and sentences."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from hw.plan.point import Plan
from model.network import Network

__all__ = ["cells", "found_words", "pareto_table", "table"]

HEADINGS = (
    "board", "array", "cycles", "MHz asked", "images/s", "MHz est.", "LUT", "block RAM",
    "bound by", "fits",
)  # fmt: skip


def _array(one: Plan) -> str:
    p = one.parameters
    fill = f", F {p['fill']}" if p["fill"] else ""
    return f"{p['array']} {p['pixels']}×{p['channels']}{fill}"


def _of(one: Plan, name: str) -> str:
    row = one.resources[name]
    return f"{row['used']:,g} of {row['available']:,g}"


def cells(one: Plan) -> list[str]:
    """A plan's row of the table."""
    bound = next(iter(one.bound_by.items()))
    return [
        one.board,
        _array(one),
        f"{one.cycles:,}",
        f"{one.clock_mhz:g}",
        f"{one.images_per_second:,.0f}",
        "-" if one.estimated_mhz is None else f"{one.estimated_mhz:g}",
        _of(one, "lut"),
        _of(one, "bram"),
        f"{bound[0]} ({bound[1]:.0%})",
        "yes" if one.fits else f"no: {one.fullest}",
    ]


def table(network: Network, plans: list[Plan]) -> Table:
    """To print with a rich console."""
    title = f"{network.name}: {network.stored_bits:,} bits of weights"
    shown = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for place, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="right" if 2 <= place <= 7 else "left")
    for one in plans:
        shown.add_row(*cells(one))
    return shown


def found_words(plans: list[Plan], target: float | None) -> list[str]:
    """Why each design is what it is, and whether it is fast enough."""
    lines = [f"{one.board}: {one.reason}" for one in plans]
    lines += [f"{one.board}: {_clock_words(one)}" for one in plans]
    for one in plans:
        if target is not None and one.images_per_second < target:
            lines.append(
                f"{one.board}: {target:,.0f} images/s asked for, {one.images_per_second:,.0f} "
                f"reached: raise --clock by {target / one.images_per_second - 1:.0%}, or take a "
                "smaller network or a larger part"
            )
    return lines


def _clock_words(one: Plan) -> str:
    """Whether the clock asked for is likely to be reached."""
    asked = f"{one.clock_mhz:g} MHz are the target asked for"
    if one.estimated_mhz is None:
        return f"{asked}, the clock is {one.clock_basis}"
    verdict = "" if one.estimated_mhz >= one.clock_mhz else " too low, lower --clock:"
    return (
        f"{asked}; an estimate is{verdict} {one.estimated_mhz:g} MHz, "
        f"{one.estimated_images_per_second:,.0f} images/s ({one.clock_basis})"
    )


def pareto_table(front: list[Plan], checked: list[dict]) -> Table:
    """The front of a sweep; with ``checked``, what Yosys said of it."""
    shown = Table(title="Pareto front", box=SIMPLE_HEAD, title_justify="left")
    for heading in ("bits", "array", "cycles", "images/s", "LUT", "block RAM", "fits"):
        shown.add_column(heading, justify="right" if heading not in ("array", "fits") else "left")
    if checked:
        shown.add_column("LUT by Yosys", justify="right")
        shown.add_column("block RAM", justify="right")
    for place, one in enumerate(front):
        row = [f"{one.parameters['tau']}/9", *cells(one)[1:3], cells(one)[4]]
        row += [f"{one.resources['lut']['used']:,}", f"{one.resources['bram']['used']:,g}"]
        row.append(cells(one)[-1])
        if checked:
            found = checked[place]
            off = one.resources["lut"]["used"] / found["lut"] - 1
            row += [f"{found['lut']:,} ({off:+.0%})", f"{found['bram']:,g}"]
        shown.add_row(*row)
    return shown
