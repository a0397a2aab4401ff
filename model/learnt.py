"""The codebook of one layer as a torch module: which kernels there are, and which a weight gets.

What decides the kernels is a kind's rule (`model.kinds`), the search is `model.nearest`'s.
"""

import numpy as np
import torch
from torch import Tensor, nn

from model import bits
from model.codebooks import sample
from model.kinds import rule_of

__all__ = ["Codebook"]


class Codebook(nn.Module):
    """The kernels of one layer, and the assignment of weights to them.

    Everything that decides a forward pass is in the state dict: ``memory`` (float [rows, 9] of
    -1 and +1; rows = 2^tau, or 2^(tau-1) for an antipodal codebook, whose other half is implied),
    ``step``, training steps taken, and what the kind adds, as the parameter ``real`` [rows, 9] of
    the refined ones. Only a forward pass in training mode moves ``memory`` and ``step``, and it
    does so from values that are equal on every rank of a DistributedDataParallel group, without
    random numbers.
    """

    def __init__(self, tau: int, kind: str, rng: np.random.Generator):
        super().__init__()
        self.rule, self.antipodal = rule_of(kind)
        self.tau = tau
        self.kind = kind
        numbers = sample(tau, self.antipodal, rng)
        if self.antipodal:
            numbers = numbers[: len(numbers) // 2]
        memory = torch.from_numpy(bits.kernel_signs(numbers).astype(np.float32))
        self.register_buffer("memory", memory)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.real = None
        self.rule.begin(self)

    def forward(self, weights: Tensor) -> Tensor:
        """Kernels of -1 and +1, [n, 9], nearest to ``weights`` [n, 9]; see `model.nearest`."""
        self.watch(weights)
        return self.rule.kernels(self, weights)

    @torch.no_grad()
    def watch(self, weights: Tensor) -> None:
        """The part of a forward pass in training that moves the codebook; nothing otherwise."""
        if self.training:
            self.step += 1
            self.rule.follow(self, weights.detach())

    def numbers(self) -> np.ndarray:
        """Kernel numbers, uint16 [2^tau]; antipodal in canonical order."""
        numbers = bits.kernel_numbers(self.memory.cpu().numpy())
        if not self.antipodal:
            return numbers
        return bits.antipodal_order(np.concatenate([numbers, (bits.KERNELS - 1) ^ numbers]))

    def plan(self, steps: int, first: int = 0) -> None:
        """Say how many training steps there will be, and how many of them are of a first stage
        (`model.training.stages`); kinds that begin otherwise go by it."""
        self.rule.planned(self, steps, first)

    @torch.no_grad()
    def fill(self, numbers: np.ndarray) -> None:
        """Replace the kernels by ``numbers`` [2^tau], canonical where antipodal."""
        rows = bits.kernel_signs(numbers[: len(self.memory)]).astype(np.float32)
        self.memory.copy_(torch.from_numpy(rows))
        self.rule.filled(self)
