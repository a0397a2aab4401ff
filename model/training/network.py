"""The torch network that a run's options ask for: sub-bit, 1-bit, or float."""

import dataclasses

from torch import nn

from model import bits, datasets
from model.codebooks import tau_of
from model.layers import Sign, SubBitConv2d
from model.nets import net_config
from model.stack import build
from model.streams import ShiftedSign
from model.training.config import FLOAT, TrainConfig

__all__ = ["build_net", "floated"]


def build_net(config: TrainConfig, classes: int | None = None) -> nn.Module:
    """A fresh network; codebooks are drawn from the seed, weights from torch's generator.

    ``classes`` are the data set's where they are not given, as they must be for a tree of pictures.
    """
    facts = datasets.source(config.dataset)
    described, classes = net_config(config.net, facts.image), classes or len(facts.classes)
    described = dataclasses.replace(described, padding=config.padding, classes=classes)
    if config.shifts:
        described = dataclasses.replace(described, shifts=True)
    if config.bits == FLOAT:
        return floated(build(described, bits.TAPS, config.codebook, config.seed))
    return build(described, tau_of(config.bits), config.codebook, config.seed)


def floated(net: nn.Module) -> nn.Module:
    """The same network, in place, with float 3x3 weights and ReLU for every sign.

    A teacher: it trains as the network does, is of its shape, and cannot be exported. Only in its
    3x3 layers and activations does it differ; images still come in as the network sees them.
    """
    for name, module in net.named_children():
        if isinstance(module, SubBitConv2d):
            # He's initialisation is torch's default but for the factor, which the norm undoes.
            conv = nn.Conv2d(module.c_in, module.c_out, 3, module.stride, 1, bias=False)
            setattr(net, name, conv)
        elif isinstance(module, Sign | ShiftedSign):
            setattr(net, name, nn.ReLU())
        else:
            floated(module)
    return net
