"""Stored bits and Bit-OPs of 3x3 layers, by the formulas that the published figures follow.

Only binary and sub-bit 3x3 layers count: not the first layer of a published network, its 1x1
layers or its classifier. Needs nothing but the standard library and `model.network`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from model import bits
from model.network import Conv, Network

__all__ = ["LayerShape", "bit_ops", "network_cost", "network_shapes", "stored_bits"]


@dataclass(frozen=True)
class LayerShape:
    """A 3x3 layer; ``height`` and ``width`` are of its output before any pooling."""

    c_in: int
    c_out: int
    height: int
    width: int

    @property
    def applications(self) -> int:
        """Applications of a kernel to a window of one channel, an image."""
        return self.c_in * self.c_out * self.height * self.width


def stored_bits(shapes: Iterable[LayerShape], tau: int, codebooks: bool = False) -> int:
    """tau bits a kernel; ``codebooks`` adds 9 * 2^tau a layer, which published figures omit."""
    extra = bits.TAPS << tau if codebooks and tau < bits.TAPS else 0
    return sum(tau * s.c_in * s.c_out + extra for s in shapes)


def bit_ops(shapes: Iterable[LayerShape], tau: int) -> int:
    """Binary operations an image.

    A binary layer takes 9 * c_in * c_out * H * W. A sub-bit layer may compute each of the 2^tau
    responses once and only add them up, an addition counting as half an operation, where that
    is less.
    """
    total = 0
    for s in shapes:
        area = s.height * s.width
        operations = bits.TAPS * s.c_in * s.c_out * area
        if tau < bits.TAPS:
            shared = (bits.TAPS * s.c_in << tau) * area + s.c_in * s.c_out * area // 2
            operations = min(operations, shared)
        total += operations
    return total


def _counted(network: Network) -> list[Conv]:
    return [layer for layer in network.convs if isinstance(layer, Conv)]


def network_shapes(network: Network) -> list[LayerShape]:
    """Shapes of the 3x3 convolutions of an exported network."""
    return [LayerShape(c.c_in, *c.sums_shape) for c in _counted(network)]


def network_cost(network: Network) -> tuple[int, int]:
    """(stored bits, Bit-OPs an image) of the 3x3 convolutions, each at its own tau."""
    pairs = list(zip(network_shapes(network), _counted(network), strict=True))
    return (
        sum(stored_bits([shape], conv.tau) for shape, conv in pairs),
        sum(bit_ops([shape], conv.tau) for shape, conv in pairs),
    )
