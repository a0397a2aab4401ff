"""Which module feeds which, seen by running a network once on a blank image. Needs torch."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.layers import Head, Sign, SubBitConv2d, Thermometer
from model.quantised import Binary, PixelConv2d, PointConv2d, Quantise
from model.streams import ShiftedSign, Stream

__all__ = ["LAYERS", "TRANSPARENT", "Call", "watch"]

LAYERS = (
    Thermometer, Binary, PixelConv2d, SubBitConv2d, PointConv2d, nn.BatchNorm2d, Stream,
    nn.MaxPool2d, nn.AvgPool2d, Sign, ShiftedSign, Quantise, Head,
)  # fmt: skip
# Modules that hand their input through in evaluation.
TRANSPARENT = (nn.Identity, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True, eq=False)
class Call:
    """One run of a module: its path in the network, the tensors it was given, and its output."""

    path: str
    module: nn.Module
    inputs: tuple[Tensor, ...]
    output: Tensor

    @property
    def fed(self) -> tuple[int, ...]:
        """Shape of its first input."""
        return tuple(self.inputs[0].shape)


@torch.no_grad()
def watch(net: nn.Module, images: Tensor) -> tuple[list[Call], Tensor]:
    """Every call of a layer or of a module without children, in order, and what ``net`` puts out.

    In evaluation; the network is left as it was.
    """
    seen: list[Call] = []
    hooks = []

    def record_at(path: str, module: nn.Module) -> None:
        def record(_, inputs, kwargs, output) -> None:
            given = (*inputs, *kwargs.values())
            tensors = tuple(value for value in given if isinstance(value, Tensor))
            seen.append(Call(path, module, tensors, output))

        hooks.append(module.register_forward_hook(record, with_kwargs=True))

    inner = {
        id(within)
        for module in net.modules()
        if isinstance(module, LAYERS)
        for within in module.modules()
        if within is not module
    }
    for path, module in net.named_modules():
        leaf = isinstance(module, LAYERS) or not any(module.children())
        if leaf and id(module) not in inner:
            record_at(path or "network", module)
    training = [module for module in net.modules() if module.training]
    try:
        net.eval()
        result = net(images)
    finally:
        for module in training:
            module.training = True
        for hook in hooks:
            hook.remove()
    return seen, result
