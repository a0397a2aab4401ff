"""The first of two stages: the network of the run before its 3x3 weights become sub-bit.

As published (two stages), a network may learn with binary activations and float weights first, or
with 1-bit weights, and go on sub-bit. Its codebooks watch the weights from the beginning, so that
the kinds which choose by what the weights use (``frequent``) have chosen when the stage ends.
"""

from torch import nn

from model.layers import SubBitConv2d
from model.training.config import TrainConfig

__all__ = ["first_steps", "set_stage"]


def first_steps(config: TrainConfig, total: int) -> int:
    """Steps of the first stage; 0 where there is none."""
    return int(config.first_share * total) if config.first != "none" else 0


def set_stage(net: nn.Module, config: TrainConfig, done: int, total: int) -> None:
    """Put every 3x3 layer into the stage that the step behind ``done`` of ``total`` belongs to."""
    first = done < first_steps(config, total)
    for module in net.modules():
        if isinstance(module, SubBitConv2d):
            module.stage = config.first if first else "codebook"
