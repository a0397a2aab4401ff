"""Stream memory: streams that a later layer adds, a word of all lanes' numbers a tile and channel.

A map lies in the order in which it is computed, ``base + tile * channels + channel``, so writing
and reading are counting. A residual has the shape of what it is added to and is wanted in the same
order; its place may be written again as soon as it was read (`hw.maps.places`). A pooled stream
lies there in the order in which its words are complete. Of a row whose last tile holds nothing but
an odd last column, pooling leaves that tile out, and reading passes over it: ``skip`` words.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["StreamMemory"]


class StreamMemory(wiring.Component):
    """See the module.

    Parameters
    ----------
    width : bits of a word. depth : words. skips : the most words passed over; 0 for never.

    Members
    -------
    start : In, strobe before a layer's first read or write, with read_base and write_base : In,
        places of the residual and of what is written.
    read : In, strobe; data : Out, the next word of the residual, one cycle later.
    row_end : In, with ``read``, so many words of the residual are passed over: ``skip``, In.
    write : In, strobe; word : In, the next one to be written.
    """

    latency = 1

    def __init__(self, width: int, depth: int, skips: int = 0):
        self.depth = depth
        address = range(max(depth, 2))
        super().__init__(
            {
                "start": In(1),
                "read_base": In(address),
                "write_base": In(address),
                "read": In(1),
                "row_end": In(1),
                "skip": In(range(skips + 1)),
                "data": Out(width),
                "write": In(1),
                "word": In(width),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        memory = Memory(shape=len(self.word), depth=max(self.depth, 2), init=[])
        m.submodules.streams = memory
        read, write = memory.read_port(), memory.write_port()
        reads, writes = Signal.like(self.read_base), Signal.like(self.write_base)
        m.d.comb += [
            read.addr.eq(reads),
            self.data.eq(read.data),
            write.addr.eq(writes),
            write.data.eq(self.word),
            write.en.eq(self.write),
        ]
        with m.If(self.read):
            m.d.sync += reads.eq(reads + 1 + Mux(self.row_end, self.skip, 0))
        with m.If(self.write):
            m.d.sync += writes.eq(writes + 1)
        with m.If(self.start):
            m.d.sync += [reads.eq(self.read_base), writes.eq(self.write_base)]
        return m
