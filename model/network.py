"""What a network is, in plain integers: the layers of the exported file.

What the numbers mean is said by `model.golden`; how they lie in a file, by `model.format`.

A network's layers run in the order of the list. Each names the layer whose output it reads by its
place in that list (`INPUT` for the image), so shortcuts are plain numbers. A layer puts out **bit
planes**, which convolutions read, or a **stream** of fixed-point numbers, which residual additions
and a head read, or both.

Numbers of k bits are odd: plane b holds -1 or +1 and counts 2^b, so k planes hold -(2^k - 1) to
2^k - 1 in steps of 2. One bit is then the plain -1 or +1. The planes of a map of c channels lie
highest plane first, ``plane * c + channel``.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from model import bits

__all__ = [
    "INPUT", "Conv", "Head", "Layer", "Network", "Pointwise", "Pooling", "Prelu", "Stem", "Stream",
]  # fmt: skip

INPUT = -1  # the place of the image, encoded or behind the stem
PIXEL_BITS = 8
VALUE_BITS = 16  # of a value of a stem's stream, as the host sends it


@dataclass(frozen=True, eq=False)
class Prelu:
    """Shifted PReLU (ReActNet): add ``before``, multiply what is negative by ``slopes`` / 64, add
    ``after``. Integers [c_out]; slopes lie in -128..127."""

    before: np.ndarray
    slopes: np.ndarray
    after: np.ndarray


@dataclass(frozen=True, eq=False)
class Stream:
    """How sums become a stream of signed numbers of ``bits`` bits; see `model.golden.stream`.

    ``multipliers`` int16 [c_out], ``offsets`` int32 [c_out] and ``shift`` scale the sums;
    ``residual`` is the place of the layer whose stream is added (`INPUT`: the stem's).
    """

    bits: int
    shift: int
    multipliers: np.ndarray
    offsets: np.ndarray
    residual: int | None = None
    prelu: Prelu | None = None


class _Sums:
    """What layers that compute sums share: shapes, from c_out, map and stride."""

    @property
    def sums_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of what the layer computes, before pooling."""
        return self.c_out, -(-self.height // self.stride), -(-self.width // self.stride)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) after pooling."""
        scale = 1 if self.pool == "none" else 2
        channels, height, width = self.sums_shape
        return channels, height // scale, width // scale

    @property
    def planes_shape(self) -> tuple[int, int, int]:
        """(planes, height, width) of the bit planes put out; no planes where only a stream is."""
        channels, height, width = self.out_shape
        return self.out_bits * channels, height, width


@dataclass(frozen=True, eq=False)
class Conv(_Sums):
    """A 3x3 binary convolution, optional 2x2 pooling, and a threshold per output channel.

    ``height`` and ``width`` are of the input map; at ``stride`` 2 the outputs are those at its
    even rows and columns. ``padding`` says what a tap outside the map is: "zero", or in every
    plane +1 ("plus") or -1 ("minus").

    ``indices`` [c_out, c_in] name codebook entries; ``codebook`` [2^tau] holds kernel numbers.
    At tau 9 the layer is plainly binary: the codebook is all 512 kernels in order.

    ``source`` is the place of the layer whose planes are read, ``in_bits`` of each channel.
    ``out_bits`` planes a channel are put out, none if it is 0; more than one need a ``stream``.
    ``step`` is the binary logarithm of the distance of their levels.
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
    source: int | None = None
    in_bits: int = 1
    out_bits: int = 1
    step: int = 0
    stream: Stream | None = None

    kind = "conv3x3"
    taps = bits.TAPS
    weight_bits = 1

    @property
    def c_out(self) -> int:
        return self.indices.shape[0]

    @property
    def c_in(self) -> int:
        return self.indices.shape[1]

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
class Pointwise(_Sums):
    """A 1x1 convolution with weights of ``weight_bits`` bits; dense, where the map is one pixel.

    ``codes`` [c_out, c_in] are 0 to 2^weight_bits - 1 and mean ``2 * code - (2^weight_bits - 1)``:
    bit b of a code is the weight's plane b. With ``flatten``, every pixel of the input map is a
    channel of its own (channel, row, column from the slowest), and the output has one pixel. The
    other fields are those of `Conv`.
    """

    name: str
    height: int
    width: int
    codes: np.ndarray
    weight_bits: int
    thresholds: np.ndarray
    flips: np.ndarray
    pool: str = "none"
    stride: int = 1
    flatten: bool = False
    source: int | None = None
    in_bits: int = 1
    out_bits: int = 1
    step: int = 0
    stream: Stream | None = None

    kind = "conv1x1"
    taps = 1
    padding = "zero"

    @property
    def c_out(self) -> int:
        return self.codes.shape[0]

    @property
    def c_in(self) -> int:
        """Channels of the input map."""
        return self.codes.shape[1] // (self.height * self.width if self.flatten else 1)

    @property
    def sums_shape(self) -> tuple[int, int, int]:
        return (self.c_out, 1, 1) if self.flatten else super().sums_shape

    @property
    def weights(self) -> np.ndarray:
        """Odd numbers, int64 [c_out, c_in]."""
        return 2 * self.codes.astype(np.int64) - ((1 << self.weight_bits) - 1)

    @property
    def macs(self) -> int:
        _, height, width = self.sums_shape
        return self.codes.size * height * width

    @property
    def stored_bits(self) -> int:
        return self.weight_bits * self.codes.size


@dataclass(frozen=True, eq=False)
class Pooling(_Sums):
    """2x2 pooling, "max2" or "avg2", of a stream that others read as it is: no convolution.

    ``of`` is the place of the layer with that stream (`INPUT`: the stem), of ``c_out`` channels
    and ``bits`` bits. The pooled numbers are this layer's own stream; planes as in `Conv`.
    """

    name: str
    height: int
    width: int
    c_out: int
    pool: str
    of: int
    bits: int
    thresholds: np.ndarray
    flips: np.ndarray
    out_bits: int = 1
    step: int = 0

    kind = "pool"
    stride = 1
    macs = stored_bits = 0
    # It reads no planes and has no weights.
    source, in_bits, weight_bits = None, 0, 0

    @property
    def c_in(self) -> int:
        return self.c_out

    @cached_property
    def stream(self) -> Stream:
        """A stream of nothing but its residual."""
        none = np.zeros(self.c_out, np.int64)
        return Stream(self.bits, 0, none, none, residual=self.of)


@dataclass(frozen=True, eq=False)
class Stem(_Sums):
    """The first convolution of a published network, on pixels, with 8-bit weights; on the host.

    ``weight`` int8 [c_out, colours, k, k], k odd; a pixel p counts as 2 p - 255, a tap outside the
    image 0. ``pool`` "max3" is a 3x3 maximum at stride 2. Streams and planes as in `Conv`.
    """

    height: int
    width: int
    weight: np.ndarray
    stride: int
    pool: str
    thresholds: np.ndarray
    flips: np.ndarray
    stream: Stream
    out_bits: int = 1
    step: int = 0

    name = "stem"
    kind = "stem"

    @property
    def c_out(self) -> int:
        return self.weight.shape[0]

    @property
    def out_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.sums_shape
        return (channels, height, width) if self.pool == "none" else (
            channels, -(-height // 2), -(-width // 2)
        )

    @property
    def macs(self) -> int:
        _, height, width = self.sums_shape
        return self.weight.size * height * width

    @property
    def stored_bits(self) -> int:
        return 8 * self.weight.size


@dataclass(frozen=True, eq=False)
class Head:
    """Sums over the map, then ``weight @ sums + bias`` (int8, int32), arg-max.

    ``on`` says what is summed: the +-1 planes of the last layer ("planes") or its "stream".
    ``weight`` is [classes, channels]; with ``flatten`` nothing is summed up and the weight is
    [classes, channels * height * width].
    """

    name: str
    channels: int
    height: int
    width: int
    weight: np.ndarray
    bias: np.ndarray
    on: str = "planes"
    flatten: bool = False

    kind = "head"

    @property
    def classes(self) -> int:
        return self.weight.shape[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image of the dense layer."""
        return self.weight.size

    @property
    def stored_bits(self) -> int:
        return 8 * self.weight.size


Layer = Conv | Pointwise | Pooling | Head


@dataclass(frozen=True, eq=False)
class Network:
    """A whole network. ``layers`` are convolutions, poolings of streams and, last, one head.

    ``image`` is (colours, height, width) of the 8-bit input. ``encoding`` says how it becomes
    planes: "thermometer", by ``input_thresholds`` uint8 [colours, levels]; "binary", the eight
    bits of each pixel, so that it counts as 2 p - 255; "stem", by ``stem``.
    ``provenance`` says how the network was trained (plain JSON values).
    """

    name: str
    image: tuple[int, int, int]
    input_thresholds: np.ndarray
    layers: tuple[Layer, ...]
    provenance: dict = field(default_factory=dict)
    encoding: str = "thermometer"
    stem: Stem | None = None

    @property
    def convs(self) -> tuple[Conv | Pointwise | Pooling, ...]:
        """The layers before the head, in order."""
        return self.layers[:-1]

    @property
    def head(self) -> Head:
        return self.layers[-1]

    @property
    def planes_shape(self) -> tuple[int, int, int]:
        """(planes, height, width) of the input's bit planes."""
        if self.stem is not None:
            return self.stem.planes_shape
        colours, height, width = self.image
        planes = self.input_thresholds.size if self.encoding == "thermometer" else (
            PIXEL_BITS * colours
        )
        return planes, height, width

    @property
    def input_bits(self) -> int:
        """Bits of a number in the input planes."""
        if self.stem is not None:
            return self.stem.out_bits
        return 1 if self.encoding == "thermometer" else PIXEL_BITS

    def source(self, place: int) -> int | None:
        """Place of the layer whose planes the one at ``place`` reads: the one before by default.
        None for a pooling, which reads a stream."""
        if isinstance(self.layers[place], Pooling):
            return None
        given = getattr(self.layers[place], "source", None)
        return place - 1 if given is None else given

    def producer(self, place: int) -> "Network | Stem | Layer":
        """Who puts out the planes of ``place``: a layer, or for `INPUT` the stem or the network."""
        return self.layers[place] if place != INPUT else self.stem or self

    @cached_property
    def kept_streams(self) -> frozenset[int]:
        """Places of layers whose stream a later residual addition reads (`INPUT`: the stem's)."""
        streams = (conv.stream for conv in self.convs)
        return frozenset(s.residual for s in streams if s and s.residual is not None)

    @property
    def stored_bits(self) -> int:
        """Bits of the convolutions' indices, by the published formula tau * c_in * c_out."""
        return sum(conv.stored_bits for conv in self.convs)
