"""The report's charts as PNG files for a paper: 300 dots an inch, the page's data and colours."""

import base64
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO

from matplotlib import image as pictures
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from sim.report.colours import LIGHT
from sim.report.series import TRAFFIC, lane_shares, roof_limits, roof_points, traffic_entries
from sim.report.words import LANE_USES, PHASES, class_name, si

__all__ = ["ROW", "SMALL", "WIDTH", "axes", "figures", "lanes_axes", "layer_bars", "legend", "save"]

DPI = 300
WIDTH = 5.5  # inches: a column of a paper or half a slide
ROW = 0.21  # inches a bar
SMALL = 7
SIGNS = {"lanes": "o", "filling": "s", "latency": "v", "index bandwidth": "D"}


def figures(report: dict) -> dict[str, Callable[[BinaryIO], object]]:
    """A function a file that draws and writes it; what a run does not have is left out."""
    made = {"cycles.png": _cycles, "roofline.png": _roofline, "traffic.png": _traffic}
    if report["lanes"]:
        made["lanes.png"] = _lanes
    if report["pictures"]:
        made["misclassified.png"] = _pictures
    return {name: partial(_write, draw, report) for name, draw in made.items()}


def _write(draw: Callable[[dict], Figure], report: dict, file: BinaryIO) -> None:
    save(draw(report), file)


def save(figure: Figure, file: BinaryIO) -> None:
    """Write a figure as a PNG."""
    figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.05)


def axes(width: float, height: float, rows: Sequence[float] = (1,)) -> list[Axes]:
    """New axes one below the other, in the page's plain style; the figure's size in inches.

    ``rows`` are the axes' shares of the height.
    """
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=LIGHT["paper"])
    FigureCanvasAgg(figure)
    places = figure.add_gridspec(len(rows), 1, height_ratios=rows)
    found = [figure.add_subplot(place) for place in places]
    for ax in found:
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.spines["bottom"].set_color(LIGHT["line"])
        ax.tick_params(labelsize=SMALL, length=0, colors=LIGHT["ink"])
        ax.set_axisbelow(True)
    return found


def legend(*found: Axes) -> None:
    """What the axes' colours and markers mean, above them; bars and areas first."""
    known = {}
    for ax in found:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            known.setdefault(name, handle)
    names = sorted(known, key=lambda name: isinstance(known[name], Line2D))
    found[0].figure.legend(
        [known[name] for name in names], names, loc="outside upper left", ncols=6, frameon=False,
        fontsize=SMALL, handlelength=1, handleheight=1, columnspacing=1.2,
    )  # fmt: skip


def layer_bars(ax: Axes, layers: Sequence[dict], keys: Sequence[tuple[str, str, str]]) -> None:
    """Stacked bars, a row a layer; ``keys`` are entry, colour and words of each part."""
    names = [layer["name"] for layer in layers]
    left = [0] * len(layers)
    for key, colour, words in keys:
        counts = [layer[key] for layer in layers]
        if not any(counts):
            continue
        ax.barh(range(len(layers)), counts, 0.72, left, color=LIGHT[colour], label=words,
                edgecolor=LIGHT["paper"], linewidth=0.4)  # fmt: skip
        left = [a + b for a, b in zip(left, counts, strict=True)]
    ax.set_yticks(range(len(layers)), names)
    ax.invert_yaxis()
    ax.margins(y=0.02)
    ax.grid(axis="x", color=LIGHT["line"], linewidth=0.6)
    ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: si(value)))


def _cycles(report: dict) -> Figure:
    layers = report["layers"]
    (ax,) = axes(WIDTH, 0.9 + ROW * len(layers))
    layer_bars(ax, layers, [(key, key, words) for key, words in PHASES])
    ax.plot([layer["predicted"] for layer in layers], range(len(layers)), "|", markersize=9,
            markeredgewidth=1.3, color=LIGHT["ink"], label="predicted")  # fmt: skip
    ax.set_xlim(0, 1.02 * max(max(layer["cycles"], layer["predicted"]) for layer in layers))
    ax.set_xlabel("cycles of one image", fontsize=SMALL)
    legend(ax)
    return ax.figure


def _traffic(report: dict) -> Figure:
    layers = traffic_entries(report)
    (ax,) = axes(WIDTH, 0.9 + ROW * len(layers))
    layer_bars(ax, layers, TRAFFIC)
    ax.set_xlabel("bits an image", fontsize=SMALL)
    legend(ax)
    return ax.figure


def _lanes(report: dict) -> Figure:
    (ax,) = axes(WIDTH, 2.3)
    lanes_axes(ax, report["lanes"])
    ax.set_xlabel("cycles of one image", fontsize=SMALL)
    legend(ax)
    return ax.figure


def lanes_axes(ax: Axes, lanes: dict) -> None:
    """The use of the lane slots over time, and the layers' names above it."""
    ends = [0]
    for count in lanes["cycles_each"]:
        ends.append(ends[-1] + count)
    low = [0.0] * len(lanes["cycles_each"])
    shares = lane_shares(lanes)
    for key, words in LANE_USES:
        if not any(shares[key]):
            continue
        high = [a + b for a, b in zip(low, shares[key], strict=True)]
        ax.stairs(high, ends, baseline=low, fill=True, color=LIGHT[key], label=words, linewidth=0)
        low = high
    for layer in lanes["layers"]:
        middle, part = (layer["begin"] + layer["end"]) / 2, layer["end"] - layer["begin"]
        # A letter takes about a hundredth of the axes' width.
        if part > 0.0095 * lanes["cycles"] * (len(layer["name"]) + 1):
            ax.text(middle, 1.03, layer["name"], ha="center", fontsize=SMALL - 1,
                    color=LIGHT["soft"])  # fmt: skip
        if layer["begin"]:
            ax.axvline(layer["begin"], color=LIGHT["paper"], linewidth=0.4)
    ax.set_xlim(0, lanes["cycles"])
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
    ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _roofline(report: dict) -> Figure:
    (ax,) = axes(WIDTH, 3.1)
    points = roof_points(report)
    peak, slope = report["pixels"] * report["channels"], report["index_bits_a_cycle"]
    ridge = peak / slope
    left, right, low, high = roof_limits(report)
    ax.plot([left, ridge, right], [left * slope, peak, peak], color=LIGHT["ink"], linewidth=1.3)
    for point in points:
        ax.plot([point.intensity] * 2, [point.reached, point.possible], ":", linewidth=0.9,
                color=LIGHT["soft"])  # fmt: skip
    for kind in dict.fromkeys(point.kind for point in points):
        found = [point for point in points if point.kind == kind]
        ax.plot([p.intensity for p in found], [p.reached for p in found], SIGNS[kind],
                markersize=5.5, color=LIGHT["work"], markeredgecolor=LIGHT["paper"],
                markeredgewidth=0.6, label=f"bound by {kind}")  # fmt: skip
    for point in points:
        ax.annotate(point.label, (point.intensity, point.reached), (5, -7),
                    textcoords="offset points", fontsize=SMALL - 1)  # fmt: skip
    ax.annotate(f"all lanes: {peak:,} a cycle", (right, peak), (-2, 4), ha="right",
                textcoords="offset points", fontsize=SMALL)  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: si(value)))
        axis.set_minor_locator(ticker.NullLocator())
    ax.grid(color=LIGHT["line"], linewidth=0.6)
    ax.set_xlabel("kernel applications an index bit", fontsize=SMALL)
    ax.set_ylabel("kernel applications a cycle", fontsize=SMALL)
    legend(ax)
    return ax.figure


def _pictures(report: dict) -> Figure:
    """All pictures in one pair of axes (two dozen of their own take seconds to lay out)."""
    found = report["pictures"]
    columns = min(8, len(found))
    rows = -(-len(found) // columns)
    high = 1.32  # of a picture and its words, where a picture's side is 1
    side = WIDTH / 8
    (ax,) = axes(side * columns, side * high * rows)
    for place, picture in enumerate(found):
        left, top = place % columns, -(place // columns) * high
        pixels = pictures.imread(io.BytesIO(base64.b64decode(picture["png"])))
        box = (left + 0.05, left + 0.95, top - 0.95, top - 0.05)
        ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=box)
        if picture["differs"]:
            ax.add_patch(Rectangle((left + 0.05, top - 0.95), 0.9, 0.9, fill=False,
                                   color=LIGHT["bad"], linewidth=2))  # fmt: skip
        label = picture["label"]
        before = "" if label is None else f"{class_name(report, label)} → "
        words = f"{before}{class_name(report, picture['answer'])}"
        ax.text(left + 0.5, top - 1.0, words, ha="center", va="top", fontsize=SMALL - 1)
    ax.set_xlim(0, columns)
    ax.set_ylim(-rows * high, 0)
    ax.axis("off")
    return ax.figure
