"""The codebook of one layer as a torch module: nearest kernels, and kernels that are learnt.

An antipodal codebook halves the products here too: the nearest of k and -k is told by the sign of
one product.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from model import bits
from model.codebooks import KINDS, sample
from model.errors import UserError

__all__ = ["Codebook", "nearest"]

# An entry of the real codebook nearer to 0 than this keeps its old sign: no flip-flop.
HYSTERESIS = 1e-3
REAL_LIMIT = 3.0
# The real entries are clamped every so many training steps.
CLAMP_EVERY = 25
# Weights whose products are held at once on a CPU: with 2^tau of each they stay in its cache.
CHUNK = 8192


@torch.no_grad()
def nearest(weights: Tensor, memory: Tensor, antipodal: bool) -> tuple[Tensor, Tensor | None]:
    """Row of ``memory`` [rows, 9] nearest to each weight [n, 9]: int64 [n]; rows up to 255.

    An antipodal memory stands for its negations, too: then also the sign, -1 or +1 [n, 1], that
    the row is taken with (sign(0) = +1), else None. Among equals the first row wins. The products
    are those of the weights' own precision, whatever a surrounding autocast asks for.
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
    """Nearest kernel of each weight; straight-through to the weights and to the codebook."""

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


class Codebook(nn.Module):
    """The kernels of one layer, and the assignment of weights to them.

    Everything that decides a forward pass is in the state dict: ``memory`` (float [rows, 9] of
    -1 and +1; rows = 2^tau, or 2^(tau-1) for an antipodal codebook, whose other half is implied),
    the learnt kinds' parameter ``real`` [rows, 9], and ``step``, training steps taken. Only a
    forward pass in training mode moves ``memory`` and ``step``, and it does so from values that
    are equal on every rank of a DistributedDataParallel group, without random numbers.
    """

    def __init__(self, tau: int, kind: str, rng: np.random.Generator):
        super().__init__()
        if kind not in KINDS:
            raise UserError(f"codebook {kind!r} is not one of {', '.join(KINDS)}")
        self.tau = tau
        self.kind = kind
        self.antipodal = kind.startswith("antipodal")
        numbers = sample(tau, self.antipodal, rng)
        if self.antipodal:
            numbers = numbers[: len(numbers) // 2]
        memory = torch.from_numpy(bits.kernel_signs(numbers).astype(np.float32))
        self.register_buffer("memory", memory)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.real = nn.Parameter(memory.clone()) if kind.endswith("refined") else None

    def forward(self, weights: Tensor) -> Tensor:
        """Kernels of -1 and +1, [n, 9], nearest to ``weights`` [n, 9].

        As all kernels have one norm, the nearest is the one with the largest product; among
        equals the first wins.
        """
        if self.training:
            self._follow()
        return _Assign.apply(weights, self.real, self.memory, self.antipodal)

    def numbers(self) -> np.ndarray:
        """Kernel numbers, uint16 [2^tau]; antipodal in canonical order."""
        numbers = bits.kernel_numbers(self.memory.cpu().numpy())
        if not self.antipodal:
            return numbers
        return bits.antipodal_order(np.concatenate([numbers, (bits.KERNELS - 1) ^ numbers]))

    @torch.no_grad()
    def _follow(self) -> None:
        """Bring ``memory`` up to date with ``real``, once a training step."""
        self.step += 1
        if self.real is None:
            return
        if self.step % CLAMP_EVERY == 0:
            self.real.clamp_(-REAL_LIMIT, REAL_LIMIT)
        signs = torch.where(self.real < 0, -1.0, 1.0)
        self.memory.copy_(torch.where(self.real.abs() < HYSTERESIS, self.memory, signs))
        self._part_duplicates()

    def _part_duplicates(self) -> None:
        """Give every repeated kernel's row the nearest unused kernel, in place.

        Rows keep their places, so that indices and optimiser moments still belong to them.
        """
        numbers = bits.kernel_numbers(self.memory.cpu().numpy()).astype(np.int64)
        pairs = np.minimum(numbers, bits.KERNELS - 1 - numbers) if self.antipodal else numbers
        first = np.unique(pairs, return_index=True)[1]
        if len(first) == len(pairs):
            return
        every = torch.from_numpy(bits.kernel_signs(np.arange(bits.KERNELS)).astype(np.float32))
        every = every.to(self.memory)
        taken = torch.zeros(bits.KERNELS, dtype=torch.bool, device=self.memory.device)
        taken[torch.from_numpy(numbers)] = True
        if self.antipodal:
            taken[torch.from_numpy(bits.KERNELS - 1 - numbers)] = True
        for row in sorted(set(range(len(pairs))) - set(first.tolist())):
            fit = (every @ self.real[row]).masked_fill(taken, -torch.inf)
            free = int(fit.argmax())
            self.memory[row] = every[free]
            self.real[row] = every[free]
            taken[free] = True
            if self.antipodal:
                taken[bits.KERNELS - 1 - free] = True
