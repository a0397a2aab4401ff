"""torch.compile for training steps."""

import torch
from torch import nn

from model.learnt import Codebook
from model.streams import Stream

__all__ = ["compiled"]


def compiled(net: nn.Module) -> nn.Module:
    """``net`` for training steps, its own parameters, compiled.

    Codebooks and streams stay as they are: what they do depends on counters and grids that change
    during a run, and each change would compile everything anew.
    """
    for module in net.modules():
        if isinstance(module, Codebook):
            module.watch = torch.compiler.disable(module.watch)
        if isinstance(module, Codebook | Stream):
            module.forward = torch.compiler.disable(module.forward)
    return torch.compile(net)
