"""The search for the nearest kernels of all of ResNet-18's 3x3 layers, against the published way.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from model import bits
from model.bench.measure import Row, interleaved, peak_bytes
from model.bench.published import published_nearest
from model.codebooks import sample
from model.errors import CheckError
from model.nearest import nearest

__all__ = ["RESNET18", "check_same", "measure_search"]

# (c_in, c_out) of the 16 layers of 3x3 kernels behind the first one.
RESNET18 = (
    (64, 64), (64, 64), (64, 64), (64, 64), (64, 128), (128, 128), (128, 128), (128, 128),
    (128, 256), (256, 256), (256, 256), (256, 256), (256, 512), (512, 512), (512, 512), (512, 512),
)  # fmt: skip
# Squared distances that differ by less, of some nine each, are equal in float32's arithmetic.
ROUNDING = 1e-4


def measure_search(
    tau: int,
    rounds: int,
    layers: tuple[tuple[int, int], ...] = RESNET18,
    say: Callable[[str], None] = lambda text: None,
) -> Row:
    """Both searches over layers of (c_in, c_out), a layer at a time, with random weights.

    Raises CheckError where their answers differ by more than rounding.
    """
    generator = torch.Generator().manual_seed(tau)
    weights = [torch.randn(a * b, bits.TAPS, generator=generator) for a, b in layers]
    rng = np.random.default_rng(tau)
    books = [
        torch.from_numpy(bits.kernel_signs(sample(tau, False, rng)).astype(np.float32))
        for _ in layers
    ]

    def ours() -> list[Tensor]:
        return [nearest(w, book, False)[0] for w, book in zip(weights, books, strict=True)]

    def theirs() -> list[Tensor]:
        return [published_nearest(w, book) for w, book in zip(weights, books, strict=True)]

    say(f"search, tau {tau}: comparing the answers")
    for place, (w, book, a, b) in enumerate(zip(weights, books, ours(), theirs(), strict=True)):
        check_same(w, book, a, b, f"layer {place + 1} of the search at tau {tau}")
    say(f"search, tau {tau}: measuring")
    seconds, before = interleaved([ours, theirs], rounds)
    return Row(
        f"search, tau {tau}, {len(layers)} layers",
        "published procedure",
        seconds,
        before,
        peak_bytes(ours),
        peak_bytes(theirs),
    )


def check_same(weights: Tensor, book: Tensor, ours: Tensor, theirs: Tensor, where: str) -> None:
    """CheckError unless both name rows at the same distance of every weight."""
    differing = torch.nonzero(ours != theirs)[:, 0]
    wide, rows = weights[differing].double(), book.double()
    gap = (wide - rows[ours[differing]]).square().sum(1)
    gap -= (wide - rows[theirs[differing]]).square().sum(1)
    wrong = int((gap.abs() > ROUNDING).sum())
    if wrong:
        raise CheckError(f"{where}: {wrong} kernels are not the nearest by the published procedure")
