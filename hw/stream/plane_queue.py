"""Plane queue: words of several planes a channel leave one a cycle.

The array completes an output channel a cycle, in the last group's pass of a tile; the activation
memory takes one word a cycle. So the channels of a tile wait here, and go out plane by plane while
the next tile's other groups are at work::

    cycle        0    1    2    3    4    5    6
    channel      0    1    2
    read              0    0    1    1    2    2       two planes a channel
    out                    0.0  0.1  1.0  1.1  2.0 ..

Passes are so far apart that a tile is out before the next one comes (`hw.schedule`). A channel of
one plane takes one cycle, and then nothing ever waits.
"""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["PlaneQueue"]


class PlaneQueue(wiring.Component):
    """See the module; latency 2 cycles from a channel to its first plane.

    Parameters
    ----------
    pixels : bits of a word. planes : the most of a channel. depth : the most output channels.

    Members
    -------
    valid, words, channel : In, a complete output channel: [planes] words, highest plane first;
        channels of a tile follow each other without a gap.
    last_plane, last_channel : In, planes and output channels of the layer, less one.
    out_valid, word : Out; place : Out, of the word among the tile's, ``plane * channels +
        channel``; last : Out, it is the tile's last word.
    """

    latency = 2

    def __init__(self, pixels: int, planes: int, depth: int):
        self.planes = planes
        self.depth = max(depth, 2)
        channel = range(self.depth)
        super().__init__(
            {
                "valid": In(1),
                "words": In(data.ArrayLayout(pixels, planes)),
                "channel": In(channel),
                "last_plane": In(range(planes)),
                "last_channel": In(channel),
                "out_valid": Out(1),
                "word": Out(pixels),
                "place": Out(range(planes * self.depth)),
                "last": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        memory = Memory(shape=len(self.words.as_value()), depth=self.depth, init=[])
        m.submodules.queue = memory
        read, write = memory.read_port(), memory.write_port()
        busy = Signal()
        plane, channel, place = (
            Signal.like(like) for like in (self.last_plane, self.channel, self.place)
        )
        chosen = Signal.like(plane)
        last_plane, last_channel = plane == self.last_plane, channel == self.last_channel
        m.d.comb += [
            write.addr.eq(self.channel),
            write.data.eq(self.words),
            write.en.eq(self.valid),
            read.addr.eq(channel),
            self.word.eq(Array(self._word(read.data, n) for n in range(self.planes))[chosen]),
        ]
        m.d.sync += [
            chosen.eq(plane),
            self.out_valid.eq(busy),
            self.place.eq(place),
            self.last.eq(last_plane & last_channel),
        ]
        with m.If(busy):
            m.d.sync += [
                plane.eq(Mux(last_plane, 0, plane + 1)),
                place.eq(Mux(last_plane, channel + 1, place + self.last_channel + 1)),
            ]
            with m.If(last_plane):
                m.d.sync += channel.eq(channel + 1)
                with m.If(last_channel):
                    m.d.sync += busy.eq(0)
        with m.If(self.valid & (self.channel == 0)):
            m.d.sync += [busy.eq(1), plane.eq(0), channel.eq(0), place.eq(0)]
        return m

    def _word(self, words, plane: int):
        return words.word_select(plane, len(self.word))
