"""Pooling: 2x2 maximum on bits, and the gathering of pooled tiles into whole words.

A maximum of sums against a threshold is an OR of comparisons. The lanes to OR and the place of
the result in its word depend only on the map's width and the tile's slot, so they are wiring
behind multiplexers. A word is gathered per output channel over its ``slots`` tiles
(`hw.pool_memory`); where a tile holds a single row, the OR of two rows happens in the same step::

    cycle      0           1                     2
    bits       at input    pooled and placed     joined with the earlier slots: word
    channel    (read)      gathered word         written back

A layer without pooling passes through in the same two cycles.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.maps.geometry import Geometry
from hw.pool_memory import GIVEN, PoolMemory, tag_members

__all__ = ["Pool"]


class Pool(wiring.Component):
    """See the module; latency 2 cycles.

    Parameters
    ----------
    geometries : all of the engine's; pooled : numbers of those that are pooled.
    depth : words that are gathered at a time; 0 where nothing is pooled. slots, channels : see
        `hw.pool_memory.tag_members`; side_by_side : a pooled map is cut.

    Members
    -------
    bits : In(P), and those of `hw.pool_memory.tag_members`; geometry : In, the layer's.
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
        self.memory = {
            "depth": depth, "slots": slots, "channels": channels, "side_by_side": side_by_side
        }  # fmt: skip
        super().__init__(
            {
                "bits": In(pixels),
                **tag_members(slots=slots, channels=channels),
                "geometry": In(range(max(len(geometries), 2))),
                "word": Out(pixels),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        placed = Signal(self.pixels)
        if self.memory["depth"] == 0:
            m.d.sync += [placed.eq(self.bits), self.word.eq(placed)]
            return m

        moved = Signal(self.pixels)
        with m.Switch(self.geometry):
            for number in sorted(self.pooled):
                with m.Case(number):
                    m.d.comb += moved.eq(self._place(m, self.geometries[number]))
        m.submodules.gathered = gathered = PoolMemory(self.pixels, **self.memory)
        m.d.comb += [
            *(getattr(gathered, name).eq(getattr(self, name)) for name in GIVEN),
            gathered.word.eq(self.word),
        ]
        m.d.sync += [
            placed.eq(Mux(self.pool, moved, self.bits)),
            self.word.eq(placed | Mux(gathered.joining, gathered.earlier, 0)),
        ]
        return m

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
