"""Finds the convolution and the norm that feed each stream, so that it computes as exported."""

import torch
from torch import nn

from model.graph import gather
from model.streams import Fed, Keep, RoundMean, Stream
from model.units import Graph
from model.watch import watch

__all__ = ["graph", "link"]


def graph(net: nn.Module, image: tuple[int, int, int]) -> Graph:
    """The units of a network for images of (colours, height, width).

    Raises UserError, naming the module, for what cannot be exported.
    """
    blank = torch.zeros(1, *image, dtype=torch.uint8)
    calls, scores = watch(net, blank)
    return gather(calls, blank, scores)


def link(net: nn.Module, image: tuple[int, int, int]) -> None:
    """Tell every `Stream` what feeds it; nothing where all know already, or there is none.

    Raises UserError, naming the module, for a network that cannot be exported.
    """
    if all(module.fed is not None for module in net.modules() if isinstance(module, Stream)):
        return
    traced = graph(net, image)
    for unit in (*((traced.stem,) if traced.stem else ()), *traced.units):
        if unit.pooled_stream and isinstance(unit.pool.module, nn.AvgPool2d):
            unit.pool.module.register_forward_hook(RoundMean(unit.stream.module))
        if unit.pooling or unit.stream is None or unit.stream.module.fed is not None:
            continue
        norm = unit.norm.module if unit.norm else None
        fed = Fed(unit.conv.module, norm, unit.norm.path if unit.norm else unit.path)
        unit.stream.module.fed = fed
        unit.conv.module.register_forward_hook(Keep(fed))
