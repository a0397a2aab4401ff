"""``selected``: which of the 512 kernels are in the codebook is learnt, without repeats.

Every kernel (antipodal: every pair) has a score, and the 2^tau highest are the codebook, so nothing
can repeat. Forward it is searched as any other. Backward the choice of a kernel is relaxed: w would
take kernel k with the probability p_k = softmax over all of them of (<w, k> / mean |w| + score_k),
and the scores get the gradient of the mixed kernel sum_k p_k k. In place of the relaxed permutation
of Sparks (CVPR 2023), and of a cost that any layer can bear: an even sample of its weights takes
part. Such a sample is on every rank the same, as the weights are.
"""

import numpy as np
import torch
from torch import Tensor, nn

from model import bits
from model.kinds.sampled import Sampled
from model.nearest import assign

__all__ = ["Rule"]

# Weights that the gradient of the scores is computed from, at most.
SAMPLE = 1024
# A kernel that is in the codebook stays until another's score is higher by this: no flip-flop.
MARGIN = 0.1


def candidates(antipodal: bool) -> np.ndarray:
    """Kernel numbers that have a score: all, or the even one of each pair."""
    every = np.arange(bits.KERNELS)
    return every[bits.popcount(every) % 2 == 0] if antipodal else every


class Selected(Sampled):
    """See the module. ``scores`` [512 or 256] is a parameter."""

    learnt = True

    def begin(self, book) -> None:
        numbers = candidates(book.antipodal)
        signs = torch.from_numpy(bits.kernel_signs(numbers).astype(np.float32))
        # Not in the state dict: the same for all.
        book.register_buffer("candidates", signs, persistent=False)
        book.scores = nn.Parameter(torch.zeros(len(numbers)))

    def filled(self, book) -> None:
        book.scores.zero_()  # the margin keeps those that are in

    def follow(self, book, weights: Tensor) -> None:
        held = (book.memory @ book.candidates.T).abs() if book.antipodal else (
            book.memory @ book.candidates.T
        )
        rows = held.argmax(1)
        scores = book.scores.detach().clone()
        scores[rows] += MARGIN
        # Stable, so that every rank and every run chooses alike among equals.
        best = scores.sort(descending=True, stable=True).indices[: len(rows)]
        gone = ~torch.isin(rows, best)
        if gone.any():
            come = best[~torch.isin(best, rows)]
            book.memory[gone] = book.candidates[come]

    def kernels(self, book, weights: Tensor) -> Tensor:
        chosen = assign(weights, book.memory, book.antipodal)
        if not (torch.is_grad_enabled() and book.scores.requires_grad):
            return chosen
        return _Scored.apply(
            chosen, book.scores, weights.detach(), book.candidates, book.antipodal
        )


class _Scored(torch.autograd.Function):
    """The kernels as they are; backward also the relaxed gradient of the scores."""

    @staticmethod
    def forward(ctx, chosen, scores, weights, every, antipodal: bool) -> Tensor:
        ctx.save_for_backward(scores, weights, every)
        ctx.antipodal = antipodal
        return chosen.view_as(chosen)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        scores, weights, every = ctx.saved_tensors
        part = slice(None, None, -(-len(weights) // SAMPLE))
        some = weights[part]
        size = some.abs().mean().clamp(min=1e-12)
        products = (some / size) @ every.T
        slopes = gradient[part] @ every.T
        if ctx.antipodal:
            # The nearer of k and -k stands for the pair.
            slopes = slopes * torch.where(products < 0, -1.0, 1.0)
            products = products.abs()
        shares = torch.softmax(products + scores, 1)
        middle = (shares * slopes).sum(1, keepdim=True)
        return gradient, (shares * (slopes - middle)).sum(0), None, None, None


Rule = Selected
