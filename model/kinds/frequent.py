"""``frequent``: the kernels that the layer, trained at 1 bit for a while, uses most.

For the first ``book.warm`` training steps the layer is plainly binary: every kernel is that of its
weights' signs. The memory follows as the 2^tau most used of them, so that evaluation and export
are sub-bit at any time; after these steps it stays. `model.convert` does the same with a network
that was trained at 1 bit from beginning to end.
"""

import numpy as np
import torch
from torch import Tensor

from model import bits
from model.codebooks import frequent
from model.kinds.sampled import Sampled

__all__ = ["Rule"]

# Training steps at 1 bit where the length of the run is not known, and their share where it is.
WARM = 500
WARM_SHARE = 0.25
# The memory is chosen anew every so many of them, and at the last.
CHOOSE_EVERY = 25


class Frequent(Sampled):
    """See the module."""

    learnt = True

    def begin(self, book) -> None:
        book.register_buffer("warm", torch.tensor(WARM))

    def planned(self, book, steps: int, first: int) -> None:
        if book.warm:
            book.warm.fill_(first or int(WARM_SHARE * steps))

    def filled(self, book) -> None:
        book.warm.fill_(0)  # chosen already

    def follow(self, book, weights: Tensor) -> None:
        step, warm = int(book.step), int(book.warm)
        if step > warm + 1 or (step % CHOOSE_EVERY != 1 and step != warm + 1) or not warm:
            return
        numbers = frequent(bits.kernel_numbers(weights.cpu().numpy()), book.tau, book.antipodal)
        chosen = bits.kernel_signs(numbers[: len(book.memory)]).astype(np.float32)
        book.memory.copy_(torch.from_numpy(chosen))

    def kernels(self, book, weights: Tensor) -> Tensor:
        if book.training and book.step <= book.warm:
            return _Binary.apply(weights)
        return super().kernels(book, weights)


class _Binary(torch.autograd.Function):
    """sign of the weights; the gradient passes where |w| <= 1."""

    @staticmethod
    def forward(ctx, weights: Tensor) -> Tensor:
        ctx.save_for_backward(weights)
        return torch.where(weights >= 0, 1.0, -1.0).to(weights.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (weights,) = ctx.saved_tensors
        return torch.where(weights.abs() <= 1, gradient, 0.0)


Rule = Frequent
