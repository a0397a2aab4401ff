"""Pooling: 2x2 maximum on bits, and the gathering of pooled tiles into whole words.

A maximum of sums against a threshold is an OR of comparisons. The lanes to OR and the place of
the result in its word depend only on the map's width and the tile's slot, so they are wiring
behind multiplexers. A word is gathered per output channel over its ``slots`` tiles, in a memory
with one word a channel; where a tile holds a single row, the OR of two rows happens in the same
step::

    cycle      0           1                     2
    bits       at input    pooled and placed     joined with the earlier slots: word
    channel    (read)      gathered word         written back

A layer without pooling passes through in the same two cycles.

Where the pooled map is cut (see `hw.maps.layout`), too, a word takes two tiles of one row and then
two of the next. So the words of a row are gathered side by side, channels behind each other::

    row of sums     tile 0   tile 1   tile 2   tile 3   tile 4
    slot            0        1        0        1        0
    gathered word   `--- 0 ---'       `--- 1 ---'       2
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.maps.geometry import Geometry

__all__ = ["Pool"]


class Pool(wiring.Component):
    """See the module; latency 2 cycles.

    Parameters
    ----------
    geometries : all of the engine's; pooled : numbers of those that are pooled.
    depth : words that are gathered at a time; 0 where nothing is pooled. channels : bits of a
        channel's number; side_by_side : a pooled map is cut.

    Members
    -------
    bits : In(P); valid, channel, slot, fresh, last_channel, row_end : In, the tag's.
    pool, cut, geometry : In, the layer's: its maps are pooled, into one that is cut.
    word : Out(P), 2 cycles later: complete where the tag's ``emit`` says so.
    """

    latency = 2

    def __init__(
        self,
        geometries: tuple[Geometry, ...],
        pooled: set[int],
        *,
        pixels: int,
        slots: int,
        depth: int,
        channels: int,
        side_by_side: bool,
    ):
        self.geometries = geometries
        self.pooled = pooled
        self.pixels = pixels
        self.depth = depth
        self.side_by_side = side_by_side
        super().__init__(
            {
                "bits": In(pixels),
                "valid": In(1),
                "channel": In(channels),
                "slot": In(range(max(slots, 2))),
                "fresh": In(1),
                "last_channel": In(1),
                "row_end": In(1),
                "pool": In(1),
                "cut": In(1),
                "geometry": In(range(max(len(geometries), 2))),
                "word": Out(pixels),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        placed = Signal(self.pixels)
        if self.depth == 0:
            m.d.sync += [placed.eq(self.bits), self.word.eq(placed)]
            return m

        moved = Signal(self.pixels)
        with m.Switch(self.geometry):
            for number in sorted(self.pooled):
                with m.Case(number):
                    m.d.comb += moved.eq(self._place(m, self.geometries[number]))
        m.d.sync += placed.eq(Mux(self.pool, moved, self.bits))

        memory = Memory(shape=self.pixels, depth=self.depth, init=[])
        m.submodules.memory = memory
        read, write = memory.read_port(), memory.write_port()
        joining, write_next, write_now = Signal(), Signal(), Signal()
        address, behind = Signal.like(read.addr), Signal.like(read.addr)
        m.d.comb += [
            address.eq(self.channel + (self._base(m) if self.side_by_side else 0)),
            read.addr.eq(address),
            write.data.eq(self.word),
            write.en.eq(write_now),
        ]
        m.d.sync += [
            joining.eq(self.pool & ~self.fresh),
            write_next.eq(self.valid & self.pool),
            write_now.eq(write_next),
            behind.eq(address),
            write.addr.eq(behind),
            self.word.eq(placed | Mux(joining, read.data, 0)),
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

    def _place(self, m: Module, geometry: Geometry):
        """The pooled lanes of this geometry, moved to where the slot puts them."""
        pooled = Signal(geometry.pooled_lanes, name=f"pooled{geometry.width}")
        ors = (
            Cat(self.bits[lane] for lane in lanes).any() for lanes in geometry.pooled_sources()
        )
        m.d.comb += pooled.eq(Cat(*ors))
        moved = Signal(self.pixels, name=f"moved{geometry.width}")
        with m.Switch(self.slot):
            for slot in range(geometry.pooled_slots):
                with m.Case(slot):
                    held = pooled
                    if geometry.row_tiles > 1:
                        held = pooled & geometry.pooled_mask(slot)
                    m.d.comb += moved.eq(held << geometry.pooled_offset(slot))
        return moved
