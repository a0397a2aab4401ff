"""Pooled words while they are gathered: where each lies, and when one begins.

A word of a pooled map takes several tiles, and so does a row of it where that is cut, too. So the
words of a row wait in a memory, one for each output channel, the next word's channels behind::

    row of sums     tile 0   tile 1   tile 2   tile 3   tile 4
    slot            0        1        0        1        0
    gathered word   `--- 0 ---'       `--- 1 ---'       2

Where the pooled map is not cut, there is one word a channel at a time. What is done with a word is
for `hw.pool` and `hw.stream.pool` to say::

    cycle      0            1                         2
    tag        at input     earlier word read         word with this tile's lanes
                                                      written back
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["GIVEN", "PoolMemory", "tag_members"]

GIVEN = ("valid", "channel", "slot", "fresh", "last_channel", "row_end", "pool", "cut")


def tag_members(*, slots: int, channels: int) -> dict:
    """What a pool is told of a tile and channel, by the names in `GIVEN`: the tag's, and from the
    descriptor whether the layer's maps are pooled (``pool``), into one that is cut (``cut``).

    ``slots`` make a word at most, ``channels`` are bits of a channel's number.
    """
    shapes = {"channel": channels, "slot": range(max(slots, 2))}
    return {name: In(shapes.get(name, 1)) for name in GIVEN}


class PoolMemory(wiring.Component):
    """See the module; a channel's tiles are 3 cycles apart at least.

    Parameters
    ----------
    width : bits of a word. depth : words that are gathered at a time. slots, channels : see
        `tag_members`. side_by_side : a pooled map is cut.

    Members
    -------
    those of `tag_members`.
    earlier, joining : Out, a cycle later: the word so far, and whether there is one.
    word : In, two cycles later, to be kept.
    """

    def __init__(self, width: int, *, depth: int, slots: int, channels: int, side_by_side: bool):
        self.depth = depth
        self.side_by_side = side_by_side
        super().__init__(
            {
                **tag_members(slots=slots, channels=channels),
                "earlier": Out(width),
                "joining": Out(1),
                "word": In(width),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        memory = Memory(shape=len(self.word), depth=self.depth, init=[])
        m.submodules.memory = memory
        read, write = memory.read_port(), memory.write_port()
        write_next, write_now = Signal(), Signal()
        address, behind = Signal.like(read.addr), Signal.like(read.addr)
        m.d.comb += [
            address.eq(self.channel + (self._base(m) if self.side_by_side else 0)),
            read.addr.eq(address),
            self.earlier.eq(read.data),
            write.data.eq(self.word),
            write.en.eq(write_now),
        ]
        m.d.sync += [
            self.joining.eq(self.pool & ~self.fresh),
            write_next.eq(self.valid & self.pool),
            write_now.eq(write_next),
            behind.eq(address),
            write.addr.eq(behind),
        ]
        return m

    def _base(self, m: Module) -> Signal:
        """Place of the gathered word's first channel: the next one behind its second tile."""
        base = Signal(range(self.depth))
        with m.If(self.valid & self.last_channel & self.cut):
            with m.If(self.slot[0]):
                m.d.sync += base.eq(base + self.channel + 1)
            with m.If(self.row_end):
                m.d.sync += base.eq(0)
        return base
