"""The nearest kernel of a codebook for every weight, and the gradients straight through it.

Kernels are held as ``memory``, float [rows, 9] of -1 and +1. An antipodal memory stands for its
negations, too, which halves the products: the nearer of k and -k is told by the sign of one.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from model import bits

__all__ = ["CHUNK", "assign", "nearest"]

# Weights whose products are held at once on a CPU: with 2^tau of each they stay in its cache.
CHUNK = 8192


def assign(weights: Tensor, memory: Tensor, antipodal: bool, real: Tensor | None = None) -> Tensor:
    """Kernels of -1 and +1, [n, 9], nearest to ``weights`` [n, 9].

    The gradient passes straight to the weights, where |w| <= 1, and to ``real`` [rows, 9], the
    real codebook behind the memory: to each row the sum over the weights that it serves.
    """
    return _Assign.apply(weights, real, memory, antipodal)


@torch.no_grad()
def nearest(weights: Tensor, memory: Tensor, antipodal: bool) -> tuple[Tensor, Tensor | None]:
    """Row of ``memory`` nearest to each weight [n, 9]: int64 [n]; rows up to 255.

    As all kernels have one norm, the nearest is the one with the largest product; among equals the
    first row wins. Of an antipodal memory also the sign, -1 or +1 [n, 1], that the row is taken
    with (sign(0) = +1), else None. The products are those of the weights' own precision, whatever
    a surrounding autocast asks for.
    """
    with torch.autocast(weights.device.type, enabled=False):
        if weights.device.type != "cpu":
            return _nearest(weights, memory, antipodal, _first_largest)
        parts = [
            _nearest(part, memory, antipodal, _first_largest_on_cpu)
            for part in weights.split(CHUNK)
        ]
    index, signs = zip(*parts, strict=True)
    return torch.cat(index), torch.cat(signs) if antipodal else None


def _nearest(
    weights: Tensor, memory: Tensor, antipodal: bool, first_largest: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor | None]:
    products = memory @ weights.T
    if not antipodal:
        return first_largest(products), None
    index = first_largest(products.abs())
    chosen = products.gather(0, index[None])[0]
    return index, torch.where(chosen < 0, -1.0, 1.0).to(memory.dtype)[:, None]


def _first_largest(products: Tensor) -> Tensor:
    return products.argmax(0)


def _first_largest_on_cpu(products: Tensor) -> Tensor:
    """argmax(0), which torch does not vectorise on a CPU: a third of its time."""
    rows = len(products)
    falling = torch.arange(rows, 0, -1, dtype=torch.uint8)[:, None]
    hits = products == products.amax(0)
    # A column without a hit holds a NaN; it gets the last row rather than none.
    best = (hits.view(torch.uint8) * falling).amax(0).clamp_(min=1)
    return rows - best.long()


class _Assign(torch.autograd.Function):
    """See `assign`."""

    @staticmethod
    def forward(ctx, weights: Tensor, real: Tensor | None, memory: Tensor, antipodal: bool):
        index, signs = nearest(weights, memory, antipodal)
        kernels = memory.index_select(0, index)
        if signs is not None:
            kernels *= signs
        ctx.save_for_backward(weights, index, signs)
        ctx.rows = len(memory) if real is not None else None
        return kernels

    @staticmethod
    def backward(ctx, gradient: Tensor):
        weights, index, signs = ctx.saved_tensors
        real_gradient = None
        if ctx.rows is not None and ctx.needs_input_grad[1]:
            mine = gradient if signs is None else gradient * signs
            real_gradient = gradient.new_zeros(ctx.rows, bits.TAPS).index_add_(0, index, mine)
        return torch.where(weights.abs() <= 1, gradient, 0.0), real_gradient, None, None
