"""Pictures of a training run: accuracy, changes of the codebooks, and the weights left behind."""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model import bits
from model.inspect.style import BLUE, INK, LINE, ORANGE, SMALL, WIDTH, depths, grid, legend, short

__all__ = ["accuracy_picture", "change_picture", "latent_picture", "moved"]

MARKED = 12  # epochs up to which every point has a mark


def accuracy_picture(epochs: Sequence[dict]) -> Figure:
    """Accuracy in training and on the test images, and the loss, by epoch."""
    axes = grid(1, 2, 2.2)
    numbers = [epoch["epoch"] for epoch in epochs]
    mark = "o" if len(epochs) <= MARKED else ""
    test = [100 * epoch["test_accuracy"] for epoch in epochs]
    train = [100 * epoch["train_accuracy"] for epoch in epochs]
    axes[0].plot(numbers, train, "--", marker=mark, markersize=3, color=ORANGE, linewidth=1.1,
                 label="training images")  # fmt: skip
    axes[0].plot(numbers, test, marker=mark, markersize=3, color=BLUE, linewidth=1.3,
                 label=f"test images (last: {test[-1]:.2f} %)")  # fmt: skip
    axes[0].set_ylabel("accuracy (%)", fontsize=SMALL)
    axes[1].plot(numbers, [epoch["loss"] for epoch in epochs], marker=mark, markersize=3,
                 color=INK, linewidth=1.2)  # fmt: skip
    axes[1].set_ylabel("training loss", fontsize=SMALL)
    for ax in axes:
        ax.set_xlabel("epoch", fontsize=SMALL)
        ax.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid(color=LINE, linewidth=0.6)
    legend(axes[0])
    return axes[0].figure


def moved(before: Sequence[int], after: Sequence[int], antipodal: bool) -> float:
    """Share of the kernels ``after`` that are not among those ``before``, k and -k as one if
    ``antipodal``; whichever rows they are in."""

    def alike(numbers: Sequence[int]) -> set[int]:
        return {min(n, bits.KERNELS - 1 - n) if antipodal else n for n in numbers}

    known, now = alike(before), alike(after)
    return len(now - known) / len(now)


def change_picture(epochs: Sequence[dict], antipodal: dict[str, bool]) -> Figure:
    """For each layer: how much of its codebook changes in an epoch, and since the first.

    ``epochs`` have "codebooks", kernel numbers by the layer's name; the first one's changes are
    not known.
    """
    names = list(epochs[0]["codebooks"])
    axes = grid(1, 2, 2.6)
    numbers = [epoch["epoch"] for epoch in epochs]
    for name, colour in zip(names, depths(len(names)), strict=True):
        books = [epoch["codebooks"][name] for epoch in epochs]
        pairs = antipodal.get(name, False)
        each = [100 * moved(a, b, pairs) for a, b in itertools.pairwise(books)]
        since = [100 * moved(books[0], book, pairs) for book in books]
        mark = "o" if len(epochs) <= MARKED else ""
        axes[0].plot(numbers[1:], each, marker=mark, markersize=3, color=colour, linewidth=1.2,
                     label=name)  # fmt: skip
        axes[1].plot(numbers, since, marker=mark, markersize=3, color=colour, linewidth=1.2)
    axes[0].set_ylabel("codewords new in the epoch (%)", fontsize=SMALL)
    axes[1].set_ylabel(f"not there after epoch {numbers[0]} (%)", fontsize=SMALL)
    for ax in axes:
        ax.set_xlabel("epoch", fontsize=SMALL)
        # Flat lines on the ground are lines, too.
        ax.set_ylim(0, max(1.05 * ax.dataLim.y1, 10))
        ax.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid(color=LINE, linewidth=0.6)
    legend(axes[0])
    return axes[0].figure


def latent_picture(layers: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """How far the kernels in use are from the signs of the weights that they stand for.

    ``layers``: by name, kernel numbers of the latent weights' own signs and those in use.
    """
    columns = min(4, max(len(layers), 2))
    rows = -(-len(layers) // columns)
    axes = grid(rows, columns, rows * (0.78 * WIDTH / columns) + 0.5)
    for ax in axes[len(layers) :]:
        ax.axis("off")
    for ax, (name, (own, used)) in zip(axes, layers.items(), strict=False):
        apart = bits.popcount(own.astype(np.int64) ^ used.astype(np.int64)).reshape(-1)
        shares = 100 * np.bincount(apart, minlength=bits.TAPS + 1) / apart.size
        ax.bar(range(bits.TAPS + 1), shares, 0.8, color=BLUE)
        ax.set_xticks(range(0, bits.TAPS + 1, 3))
        ax.grid(axis="y", color=LINE, linewidth=0.6)
        words = f"{short(name, columns)}\nmean {apart.mean():.2f}"
        ax.set_title(words, fontsize=SMALL, color=INK, pad=3)
    axes[0].figure.supxlabel("taps whose sign the codebook changes, of 9", fontsize=SMALL)
    axes[0].figure.supylabel("kernels (%)", fontsize=SMALL)
    return axes[0].figure
