"""``refined``: drawn at random, then learnt along with the weights (the paper's method)."""

import numpy as np
import torch
from torch import Tensor, nn

from model import bits
from model.kinds.sampled import Sampled
from model.nearest import assign

__all__ = ["HYSTERESIS", "Rule"]

# An entry of the real codebook nearer to 0 than this keeps its old sign: no flip-flop.
HYSTERESIS = 1e-3
REAL_LIMIT = 3.0
# The real entries are clamped every so many training steps.
CLAMP_EVERY = 25


class Refined(Sampled):
    """The signs of a parameter ``real`` [rows, 9]; of a pair, k and -k move together."""

    learnt = True

    def begin(self, book) -> None:
        book.real = nn.Parameter(book.memory.clone())

    def filled(self, book) -> None:
        book.real.copy_(book.memory)

    def kernels(self, book, weights: Tensor) -> Tensor:
        return assign(weights, book.memory, book.antipodal, book.real)

    def follow(self, book, weights: Tensor) -> None:
        if book.step % CLAMP_EVERY == 0:
            book.real.clamp_(-REAL_LIMIT, REAL_LIMIT)
        signs = torch.where(book.real < 0, -1.0, 1.0)
        book.memory.copy_(torch.where(book.real.abs() < HYSTERESIS, book.memory, signs))
        _part_duplicates(book)


def _part_duplicates(book) -> None:
    """Give every repeated kernel's row the nearest unused kernel, in place.

    Rows keep their places, so that indices and optimiser moments still belong to them.
    """
    numbers = bits.kernel_numbers(book.memory.cpu().numpy()).astype(np.int64)
    pairs = np.minimum(numbers, bits.KERNELS - 1 - numbers) if book.antipodal else numbers
    first = np.unique(pairs, return_index=True)[1]
    if len(first) == len(pairs):
        return
    every = torch.from_numpy(bits.kernel_signs(np.arange(bits.KERNELS)).astype(np.float32))
    every = every.to(book.memory)
    taken = torch.zeros(bits.KERNELS, dtype=torch.bool, device=book.memory.device)
    taken[torch.from_numpy(numbers)] = True
    if book.antipodal:
        taken[torch.from_numpy(bits.KERNELS - 1 - numbers)] = True
    for row in sorted(set(range(len(pairs))) - set(first.tolist())):
        fit = (every @ book.real[row]).masked_fill(taken, -torch.inf)
        free = int(fit.argmax())
        book.memory[row] = every[free]
        book.real[row] = every[free]
        taken[free] = True
        if book.antipodal:
            taken[bits.KERNELS - 1 - free] = True


Rule = Refined
