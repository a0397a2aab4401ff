"""How the pictures look: for a column of a paper, 300 dots an inch, safe for the colour-blind."""

import logging
from collections.abc import Sequence
from typing import BinaryIO

# Its hints about a cache of its own are not for this project's user.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

from matplotlib import colormaps  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

__all__ = [
    "BLUE", "GREY", "INK", "LINE", "ORANGE", "PAPER", "SMALL", "WIDTH", "depths", "grid", "legend",
    "save", "short",
]  # fmt: skip

DPI = 300
WIDTH = 5.5  # inches
SMALL = 7  # points
# Of Okabe and Ito's palette, which the colour-blind can tell apart.
BLUE, ORANGE = "#0072b2", "#d55e00"
PAPER, INK, GREY, LINE = "#ffffff", "#222222", "#777777", "#dddddd"


def grid(rows: int, columns: int, height: float, heights: Sequence[float] = ()) -> list[Axes]:
    """New axes in rows of ``columns`` on a figure ``height`` inches high; see `WIDTH`."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    places = figure.add_gridspec(rows, columns, height_ratios=heights or [1] * rows)
    found = [figure.add_subplot(place) for place in places]
    for ax in found:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(LINE)
        ax.tick_params(labelsize=SMALL, length=0, colors=INK)
        ax.set_axisbelow(True)
    return found


def depths(count: int) -> list:
    """A colour for each of so many layers, from dark (first) to light (last)."""
    return [colormaps["viridis"](0.88 * place / max(count - 1, 1)) for place in range(count)]


def short(name: str, columns: int) -> str:
    """As much of a layer's name as fits above one of so many axes, its end: paths end alike last.
    """
    letters = int(WIDTH / columns / 0.062)
    return name if len(name) <= letters else "…" + name[1 - letters :]


def legend(ax: Axes) -> None:
    """The meaning of colours and lines, above the axes, in as many columns as fit."""
    handles, names = ax.get_legend_handles_labels()
    # Inches: a line's or patch's sign and the gaps, then the letters.
    widths = [0.35 + 0.054 * len(name) for name in names]
    columns = len(names) if sum(widths) <= WIDTH else max(int(WIDTH / max(widths)), 1)
    ax.figure.legend(
        handles, names, loc="outside upper left", ncols=columns, frameon=False,
        fontsize=SMALL, handlelength=1.4, columnspacing=1.2,
    )  # fmt: skip


def save(figure: Figure, file: BinaryIO) -> None:
    """Write a figure as a PNG."""
    figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.05)
