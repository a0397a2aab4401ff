"""Pictures of codebooks: their kernels and uses, the distances between them, their entropy."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model import bits
from model.inspect.facts import LayerFacts, distances
from model.inspect.style import (
    BLUE,
    GREY,
    INK,
    LINE,
    ORANGE,
    PAPER,
    SMALL,
    WIDTH,
    depths,
    grid,
    legend,
    short,
)

__all__ = ["PAGE", "distance_picture", "entropy_picture", "kernel_picture", "use_picture"]

PAGE = 8  # layers on one picture of kernels
ROW_ENTRIES = (16, 32)  # kernels side by side: the fewer that suffice
# Of a layer with all 512 kernels, as many are drawn.
MOST_DRAWN = 64
BAR = 1.5  # height of the tallest bar, where a kernel's place has width and height 1
GAP = 0.35  # between a row of kernels and the bars of the next


def kernel_picture(layers: Sequence[LayerFacts]) -> Figure:
    """Every layer's kernels, most used first, and above each how often it is used."""
    drawn = [min(len(layer.numbers), MOST_DRAWN) for layer in layers]
    columns = next((n for n in ROW_ENTRIES if n >= max(drawn)), ROW_ENTRIES[-1])
    rows = [-(-count // columns) for count in drawn]
    heights = [n * (1 + BAR + GAP) for n in rows]
    inch = WIDTH / columns
    axes = grid(len(layers), 1, sum(heights) * inch + 0.28 * len(layers) + 0.3, heights)
    for ax, layer, count in zip(axes, layers, drawn, strict=True):
        _kernels(ax, layer, count, columns)
    # On the axes that have both kinds of bars, if any.
    first = max(range(len(layers)), key=lambda place: layers[place].antipodal)
    legend(axes[first])
    return axes[0].figure


def _kernels(ax: Axes, layer: LayerFacts, count: int, columns: int) -> None:
    most = layer.total.max()
    even = layer.count / len(layer.numbers)
    for start in range(0, count, columns):
        here = slice(start, min(start + columns, count))
        places = np.arange(here.stop - start)
        base = -(start // columns) * (1 + BAR + GAP)
        taps = bits.kernel_signs(layer.numbers[here]).reshape(-1, 3, 3)
        for place, kernel in zip(places, taps, strict=True):
            box = (place + 0.1, place + 0.9, base - 0.95, base - 0.15)
            ax.imshow(kernel, cmap="Greys", vmin=-1.5, vmax=1.15, interpolation="nearest",
                      extent=box)  # fmt: skip
        scale = BAR / most
        uses, negated = layer.uses[here] * scale, layer.negated[here] * scale
        words = "uses of the kernel k (dark +1, light −1)"
        ax.bar(places + 0.5, uses, 0.8, base, color=BLUE, label=words)
        if layer.antipodal:
            ax.bar(places + 0.5, negated, 0.8, base + uses, color=ORANGE, label="uses of −k")
        edge = base + even * scale
        ax.plot([0, len(places)], [edge, edge], "--", color=INK, linewidth=0.7, dashes=(3, 2),
                label="if all were used alike")  # fmt: skip
    ax.set_xlim(0, columns)
    ax.set_ylim(-(-(-count // columns) - 1) * (1 + BAR + GAP) - 1, BAR * 1.02)
    ax.set_aspect("equal")
    ax.axis("off")
    ax.set_title(_words(layer, count), fontsize=SMALL, loc="left", pad=3, color=INK)


def _words(layer: LayerFacts, count: int) -> str:
    shown = f"the {count} most used of {len(layer.numbers)}" if count < len(layer.numbers) else (
        f"{count} pairs of k and −k" if layer.antipodal else f"{count} kernels"
    )
    share = 100 * layer.total.max() / layer.count
    return f"{layer.name}: {layer.c_in} → {layer.c_out} channels, {shown}, up to {share:.1f} %"


def use_picture(layers: Sequence[LayerFacts]) -> Figure:
    """The share of a layer's kernels that its most used codewords hold, added up."""
    (ax,) = grid(1, 1, 2.8)
    for layer, colour in zip(layers, depths(len(layers)), strict=True):
        held = np.cumsum(np.sort(layer.codewords)[::-1]) / layer.count
        share = np.arange(len(held) + 1) / len(held)
        ax.plot(100 * share, 100 * np.concatenate([[0], held]), color=colour, linewidth=1.3,
                label=layer.name)  # fmt: skip
    ax.plot([0, 100], [0, 100], "--", color=GREY, linewidth=0.9, label="all alike")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 101)
    ax.grid(color=LINE, linewidth=0.6)
    ax.set_xlabel("codewords, most used first (% of the codebook)", fontsize=SMALL)
    ax.set_ylabel("kernels that use them (%)", fontsize=SMALL)
    legend(ax)
    return ax.figure


def distance_picture(layers: Sequence[LayerFacts]) -> Figure:
    """For each layer, in how many taps each two codewords differ."""
    columns = min(4, max(len(layers), 2))
    rows = -(-len(layers) // columns)
    side = WIDTH / columns
    axes = grid(rows, columns, rows * (side + 0.12) + 0.55)
    for ax in axes[len(layers) :]:
        ax.axis("off")
    for ax, layer in zip(axes, layers, strict=False):
        apart = distances(layer.every)
        image = ax.imshow(apart, cmap="viridis", vmin=0, vmax=bits.TAPS, interpolation="nearest")
        last = len(apart) - 1
        ax.set_xticks([0, last])
        ax.set_yticks([0, last])
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.set_title(short(layer.name, columns), fontsize=SMALL, color=INK, pad=3)
    bar = axes[0].figure.colorbar(image, ax=axes, location="bottom", fraction=0.05, aspect=40,
                                  shrink=0.6, pad=0.02)  # fmt: skip
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, length=0, colors=INK)
    bar.set_ticks(range(bits.TAPS + 1))
    bar.set_label("taps in which two codewords differ, in the order of their use", fontsize=SMALL)
    return axes[0].figure


def entropy_picture(layers: Sequence[LayerFacts]) -> Figure:
    """Bits of information in a layer's indices beside the tau bits that they take."""
    (ax,) = grid(1, 1, 0.85 + 0.21 * len(layers))
    places = range(len(layers))
    ax.barh(places, [layer.entropy for layer in layers], 0.7, color=BLUE, edgecolor=PAPER,
            label="entropy of the indices")  # fmt: skip
    ax.plot([layer.tau for layer in layers], places, "|", color=INK, markersize=9,
            markeredgewidth=1.5, label="bits stored (tau)")  # fmt: skip
    widest = max(layer.tau for layer in layers)
    for place, layer in zip(places, layers, strict=True):
        ax.text(1.04 * widest, place, f"{layer.entropy:.2f} of {layer.tau}", va="center",
                fontsize=SMALL)  # fmt: skip
    ax.set_yticks(places, [layer.name for layer in layers])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.2 * widest)
    ax.set_xticks(range(widest + 1))
    ax.grid(axis="x", color=LINE, linewidth=0.6)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("bits an index", fontsize=SMALL)
    legend(ax)
    return ax.figure
