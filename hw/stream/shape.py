"""What a network's streams ask of the hardware: widths, and the numbers of every output channel.

All ranges are known when the network is compiled, so each width is the least that holds what this
network can make: of the sums from the layer's inputs, of the products from its multipliers, and so
on down the pipeline of `hw.stream.unit`. A layer without a PReLU in an engine that has one takes
slopes of one and moves by zero, which changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.utils import bits_for

from hw.stream.pool import StreamPool
from model.fixed_point import SLOPE_SHIFT
from model.network import Conv, Network, Pointwise, Pooling
from model.rules import largest_sum

__all__ = ["StreamShape", "channel_words", "cut_of", "stream_shape"]


@dataclass(frozen=True)
class StreamShape:
    """Widths in bits, all of signed numbers, and what layers choose from.

    ``multiplier``, ``offset``, ``threshold``, ``before``, ``after``: the channels' numbers.
    ``scaled``: a sum behind its shift. ``value``: the stream. ``shifts``, ``widths``: those of the
    layers; ``cuts``: (out_bits, step) of the layers that put out planes. ``prelu``: a layer has
    one. ``pools``: how layers pool their streams, see `hw.stream.pool`.
    """

    multiplier: int
    offset: int
    scaled: int
    value: int
    threshold: int
    before: int
    after: int
    shifts: tuple[int, ...]
    widths: tuple[int, ...]
    cuts: tuple[tuple[int, int], ...]
    prelu: bool
    pools: tuple[str, ...] = ()

    @property
    def most_planes(self) -> int:
        """The most planes of a channel that a layer with a stream puts out; at least 1."""
        return max((planes for planes, _ in self.cuts), default=1)

    @property
    def value_latency(self) -> int:
        """Cycles of the stream unit from a sum to its number of the stream."""
        return 6 if self.prelu else 3

    @property
    def pool_latency(self) -> int:
        """Cycles from a number of the stream to the pooled one."""
        return StreamPool.latency if self.pools else 0

    @property
    def latency(self) -> int:
        """Cycles of the stream unit, and of the pool within it, from a sum to its planes."""
        return self.value_latency + self.pool_latency + 1

    @property
    def word(self) -> data.StructLayout:
        """A word of the parameter memory: an output channel's numbers."""
        bent = {"before": self.before, "slope": 8, "after": self.after} if self.prelu else {}
        fields = {
            "multiplier": self.multiplier,
            "offset": self.offset,
            "threshold": self.threshold,
            **bent,
        }
        return data.StructLayout({name: signed(width) for name, width in fields.items()})


def stream_shape(network: Network) -> StreamShape | None:
    """The shape that holds all layers with a stream; None where there are none."""
    layers = [layer for layer in network.convs if layer.stream is not None]
    if not layers:
        return None
    streams = [layer.stream for layer in layers]
    # A pooling's sums count nothing, shifted or not (`hw.stand_in`).
    shifts = {layer.stream.shift for layer in layers if not isinstance(layer, Pooling)}
    # Its stream may be added, whatever its width.
    added = [network.stem.stream] if network.stem else []
    bent = [stream.prelu for stream in streams if stream.prelu is not None]
    return StreamShape(
        multiplier=_signed_bits(*(stream.multipliers for stream in streams)),
        offset=_signed_bits(*(stream.offsets for stream in streams)),
        scaled=_signed_bits(*(_scaled_range(layer) for layer in layers)),
        value=max(stream.bits for stream in (*streams, *added)),
        threshold=_signed_bits(*(layer.thresholds for layer in layers)),
        before=_signed_bits(*(prelu.before for prelu in bent)),
        after=_signed_bits(*(prelu.after for prelu in bent)),
        shifts=tuple(sorted(shifts or {0})),
        widths=tuple(sorted({stream.bits for stream in streams})),
        cuts=tuple(sorted({cut_of(layer) for layer in layers if layer.out_bits})),
        prelu=bool(bent),
        pools=tuple(sorted({layer.pool for layer in layers} - {"none"})),
    )


def cut_of(layer: Conv | Pointwise | Pooling) -> tuple[int, int]:
    """(out_bits, step) of a layer; where there is one plane, the step makes no difference."""
    return layer.out_bits, layer.step if layer.out_bits > 1 else 0


def _signed_bits(*numbers: np.ndarray) -> int:
    """Bits in two's complement that hold all of them; 1 for none."""
    low = min((int(n.min()) for n in numbers if n.size), default=0)
    high = max((int(n.max()) for n in numbers if n.size), default=0)
    return max(bits_for(low, require_sign_bit=True), bits_for(high, require_sign_bit=True))


def _scaled_range(layer: Conv | Pointwise | Pooling) -> np.ndarray:
    """The least and the greatest that a layer's scaled sums can be."""
    stream, most = layer.stream, largest_sum(layer)
    product = most * np.abs(stream.multipliers.astype(np.int64))
    offsets = stream.offsets.astype(np.int64)
    ends = (int((offsets - product).min()), int((offsets + product).max()))
    return np.array([end >> stream.shift for end in ends])


def channel_words(network: Network, shape: StreamShape) -> Iterator[int]:
    """Words of the parameter memory: output channels of the layers with a stream, in order."""
    for layer in network.convs:
        if layer.stream is None:
            continue
        stream, count = layer.stream, layer.c_out
        columns = {
            "multiplier": stream.multipliers,
            "offset": stream.offsets,
            "threshold": layer.thresholds,
        }
        if shape.prelu:
            bent, none = stream.prelu, np.zeros(count, np.int64)
            columns |= {
                "before": bent.before if bent else none,
                "slope": bent.slopes if bent else none + (1 << SLOPE_SHIFT),
                "after": bent.after if bent else none,
            }
        for channel in range(count):
            numbers = {name: int(column[channel]) for name, column in columns.items()}
            yield shape.word.const(numbers).as_bits()
