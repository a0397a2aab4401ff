"""``report.png``: speed-up against look-ups a dot9 unit; without such rows, a bar a row."""

from typing import BinaryIO

from matplotlib.axes import Axes

from sim.report.colours import LIGHT
from sim.report.paper import SMALL, WIDTH, axes, legend, save
from sim.speedup.published import PUBLISHED_LOOKUPS

__all__ = ["draw"]

COLOURS = {True: "work", False: "fill"}
MARKERS = "osD^v"


def draw(report: dict, file: BinaryIO) -> None:
    """Draw and write it."""
    swept = [row for row in report["rows"] if row["basis"] == "dot9"]
    others = [row for row in report["rows"] if row["basis"] != "dot9"]
    heights = ([2.6] if swept else []) + ([0.5 + 0.3 * len(others)] if others else [])
    places = axes(WIDTH, sum(heights) + 0.4, heights)
    if swept:
        _sweep(places[0], report, swept)
    if others:
        _bars(places[-1], others)
    if swept:
        legend(places[0])
    save(places[0].figure, file)


def _sweep(ax: Axes, report: dict, rows: list[dict]) -> None:
    """A line for each codebook and number of units, and the published point."""
    for n, units in enumerate(sorted({row["units"] for row in rows})):
        for antipodal in (True, False):
            line = [
                row for row in rows
                if row["units"] == units and row["parameters"]["subbit"]["antipodal"] == antipodal
            ]  # fmt: skip
            if not line:
                continue
            book = "antipodal" if antipodal else "general"
            words = f"{book}, {units} dot9 a lane"
            found = [row["lookups"] for row in line], [row["speedup"] for row in line]
            ax.plot(*found, f"-{MARKERS[n % len(MARKERS)]}", color=LIGHT[COLOURS[antipodal]],
                    markersize=5, linewidth=1.2, label=words,
                    alpha=1 if not n else 0.55)  # fmt: skip
            for row in line if not n else ():
                place = row["lookups"], row["speedup"]
                ax.annotate(f"{row['speedup']:.2f}×", place, (0, 5), ha="center",
                            textcoords="offset points", fontsize=SMALL - 1)  # fmt: skip
    if report["published"]:
        value = report["published"]["speedup"]
        ax.plot([PUBLISHED_LOOKUPS], [value], "*", markersize=9, color=LIGHT["bad"],
                linestyle="none", label=f"published {value}×")  # fmt: skip
    ax.set_xscale("log", base=2)
    lookups = sorted({row["lookups"] for row in rows})
    ax.set_xticks(lookups, [str(number) for number in lookups])
    ax.minorticks_off()
    ax.set_ylim(0, 1.12 * max(row["speedup"] for row in rows))
    ax.margins(x=0.08)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    ax.grid(axis="y", color=LIGHT["line"], linewidth=0.6)
    ax.set_xlabel(
        f"look-ups a dot9 unit; {report['net']}, {report['bits']} bit a weight, speed-up over 1 "
        "bit at equal dot9 units",
        fontsize=SMALL,
    )


def _size(row: dict) -> str:
    """What both engines of a row have equally much of."""
    return f"{row['budget']:,}" if "budget" in row else f"{row['port_bits']} bits a cycle"


def _bars(ax: Axes, rows: list[dict]) -> None:
    """A bar a row of the other bases."""
    names = [f"{row['basis'].replace('_', ' ')}, {_size(row)}" for row in rows]
    ax.barh(range(len(rows)), [row["speedup"] for row in rows], 0.6, color=LIGHT["work"])
    for place, row in enumerate(rows):
        ax.annotate(f"{row['speedup']:.2f}×", (row["speedup"], place), (3, 0), va="center",
                    textcoords="offset points", fontsize=SMALL)  # fmt: skip
    ax.axvline(1, color=LIGHT["ink"], linewidth=0.8)
    ax.set_yticks(range(len(rows)), names)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.15 * max(1, *(row["speedup"] for row in rows)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    ax.set_xlabel("speed-up over 1 bit", fontsize=SMALL)
