"""What a network is, in plain integers: the layers of the exported file.

What the numbers mean is said by `model.golden`; how they lie in a file, by `model.format`.
"""

from dataclasses import dataclass, field

import numpy as np

from model import bits

__all__ = ["Conv", "Head", "Layer", "Network"]


@dataclass(frozen=True, eq=False)
class Conv:
    """A 3x3 binary convolution, optional 2x2 max pooling, and a threshold per output channel.

    ``height`` and ``width`` are of the input map; at ``stride`` 2 the outputs are those at its
    even rows and columns.

    ``indices`` [c_out, c_in] name codebook entries; ``codebook`` [2^tau] holds kernel numbers.
    At tau 9 the layer is plainly binary: the codebook is all 512 kernels in order.
    """

    name: str
    height: int
    width: int
    tau: int
    pool: str
    codebook: np.ndarray
    indices: np.ndarray
    thresholds: np.ndarray
    flips: np.ndarray
    padding: str = "zero"
    stride: int = 1

    kind = "conv3x3"

    @property
    def c_out(self) -> int:
        return self.indices.shape[0]

    @property
    def c_in(self) -> int:
        return self.indices.shape[1]

    @property
    def sums_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of what the convolution computes, before pooling."""
        return self.c_out, -(-self.height // self.stride), -(-self.width // self.stride)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) after pooling."""
        scale = 2 if self.pool == "max2" else 1
        channels, height, width = self.sums_shape
        return channels, height // scale, width // scale

    @property
    def kernels(self) -> np.ndarray:
        """Kernel numbers, uint16 [c_out, c_in]."""
        return self.codebook[self.indices]

    @property
    def antipodal(self) -> bool:
        """Whether the top index bit is a sign; see `model.bits.antipodal_order`."""
        return self.tau < bits.TAPS and bits.is_antipodal(self.codebook)

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image: nine a kernel application, padded taps counted in."""
        channels, height, width = self.sums_shape
        return bits.TAPS * self.c_in * channels * height * width

    @property
    def stored_bits(self) -> int:
        """tau bits an index, as the published cost figures count: without the codebook."""
        return self.tau * self.c_in * self.c_out


@dataclass(frozen=True, eq=False)
class Head:
    """Global sum pooling of the +-1 map, then ``weight @ sums + bias`` (int8, int32), arg-max."""

    name: str
    channels: int
    height: int
    width: int
    weight: np.ndarray
    bias: np.ndarray

    kind = "head"

    @property
    def classes(self) -> int:
        return self.weight.shape[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image of the dense layer."""
        return self.classes * self.channels

    @property
    def stored_bits(self) -> int:
        return 8 * self.weight.size


Layer = Conv | Head


@dataclass(frozen=True, eq=False)
class Network:
    """A whole network. ``layers`` are convolutions and, last, one head.

    ``image`` is (colours, height, width) of the 8-bit input; ``input_thresholds`` uint8
    [colours, levels]; ``provenance`` says how the network was trained (plain JSON values).
    """

    name: str
    image: tuple[int, int, int]
    input_thresholds: np.ndarray
    layers: tuple[Layer, ...]
    provenance: dict = field(default_factory=dict)

    @property
    def convs(self) -> tuple[Conv, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, Conv))

    @property
    def head(self) -> Head:
        return self.layers[-1]

    @property
    def stored_bits(self) -> int:
        """Bits of the convolutions' indices, by the published formula tau * c_in * c_out."""
        return sum(conv.stored_bits for conv in self.convs)
