"""Stream pool: 2x2 maximum or mean of a stream's numbers, gathered into whole words.

As in `hw.pool`, which lanes make a square and where its number goes in the pooled word are wiring
behind multiplexers. The four numbers come together pair by pair; where a tile holds a single row,
the rows meet in the memory of gathered words (`hw.pool_memory`)::

    cycle      0           1               2                   3
    values     at input    two columns     two rows, placed    joined with the earlier tiles
    memory                 (read)          gathered word       written back

Where there are means, a word's lanes count quarters, in two bits more than the stream has. The
first tile of a word begins with the two quarters that round the mean, half up, so that the last
step is wiring: two bits are cut off (`model.fixed_point.pooled`). A number by itself, a maximum or
one of a stream that is not pooled, is four quarters of itself: it comes out of the same step, in
the same three cycles. A lane that a tile does not fill holds what changes nothing: 0 in a sum, in a
maximum the lowest number.
"""

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.maps.geometry import Geometry
from hw.pipeline import delay
from hw.pool_memory import GIVEN, PoolMemory, tag_members

__all__ = ["MEAN_BITS", "StreamPool"]

MEAN_BITS = 2  # of the four numbers of a square, and what rounds their mean
HALF = 2


class StreamPool(wiring.Component):
    """See the module; latency 3 cycles.

    Parameters
    ----------
    kinds : "max2", "avg2" or both, what layers choose from. bits : of a number.
    geometries, pooled, depth, slots, channels, side_by_side : those of `hw.pool.Pool`, where
        ``pooled`` are the geometries of pooled streams.

    Members
    -------
    values : In, [P] signed; with those of `hw.pool_memory.tag_members`. largest : In, the layer
        takes the maximum, heeded where there are both; geometry : In, the layer's.
    pooled : Out, [P] signed, 3 cycles later: complete where the tag's ``emit`` says so.
    """

    latency = 3

    def __init__(
        self,
        kinds: tuple[str, ...],
        geometries: tuple[Geometry, ...],
        pooled: set[int],
        *,
        bits: int,
        pixels: int,
        slots: int,
        depth: int,
        channels: int,
        side_by_side: bool,
    ):
        self.kinds = kinds
        self.geometries = geometries
        self.numbers = pooled
        self.bits = bits
        self.pixels = pixels
        self.memory = {
            "depth": depth, "slots": slots, "channels": channels, "side_by_side": side_by_side
        }  # fmt: skip
        values = data.ArrayLayout(signed(bits), pixels)
        super().__init__(
            {
                "values": In(values),
                **tag_members(slots=slots, channels=channels),
                "largest": In(1),
                "geometry": In(range(max(len(geometries), 2))),
                "pooled": Out(values),
            }
        )

    @property
    def number(self) -> Shape:
        """Of what a gathered word holds in a lane."""
        return signed(self.bits + self._more)

    def elaborate(self, platform) -> Module:
        m = Module()
        number = self.number
        words = data.ArrayLayout(number, self.pixels)
        values = delay(m, self.values, 1, "values")
        slot = delay(m, self.slot, 1, "slot_pairs")
        moved, placed, word = (Signal(words, name=name) for name in ("moved", "placed", "word"))
        pairs: dict[tuple[int, ...], Value] = {}
        found = {n: self._squares(m, pairs, self.geometries[n]) for n in sorted(self.numbers)}
        nothing = self._by_kind(self._lowest(), Const(0, number))
        m.d.comb += [lane.eq(nothing) for lane in moved]
        with m.Switch(self.geometry):
            for chosen, squares in found.items():
                with m.Case(chosen):
                    self._place(m, moved, squares, slot, self.geometries[chosen])

        m.submodules.gathered = gathered = PoolMemory(len(word.as_value()), **self.memory)
        for name in GIVEN:
            given = getattr(self, name)
            # What belongs to the layer is there all the time.
            held = given if name in ("pool", "cut") else delay(m, given, 1, f"{name}_memory")
            m.d.comb += getattr(gathered, name).eq(held)
        m.d.comb += gathered.word.eq(word)
        earlier = data.View(words, gathered.earlier)
        begin = self._by_kind(self._lowest(), Const(HALF, number))
        for lane in range(self.pixels):
            m.d.sync += [
                placed[lane].eq(Mux(self.pool, moved[lane], self._whole(values[lane]))),
                word[lane].eq(
                    self._two(placed[lane], Mux(gathered.joining, earlier[lane], begin))
                ),
            ]
            m.d.comb += self.pooled[lane].eq(word[lane] >> self._more)
        return m

    @property
    def _more(self) -> int:
        """Bits that a lane of a word has below those of the stream."""
        return MEAN_BITS if "avg2" in self.kinds else 0

    def _by_kind(self, maximum: Value, mean: Value) -> Value:
        """What a layer takes that wants the one or the other."""
        if len(self.kinds) > 1:
            return Mux(self.largest, maximum, mean)
        return mean if "avg2" in self.kinds else maximum

    def _whole(self, value: Value) -> Value:
        """A number by itself, as a word holds it."""
        return value << self._more

    def _lowest(self) -> Value:
        return Const(-(1 << (self.number.width - 1)), self.number)

    def _two(self, one: Value, other: Value) -> Value:
        """The larger of two numbers, or their sum, as the layer wants."""
        return self._by_kind(Mux(one > other, one, other), one + other)

    def _squares(
        self, m: Module, pairs: dict[tuple[int, ...], Value], geometry: Geometry
    ) -> list[Value]:
        """The pooled lanes of a tile, two cycles' work: what `Geometry.pooled_sources` names. Two
        columns are taken together in the first; geometries share the pairs that they both have."""
        squares = []
        for lanes in geometry.pooled_sources():
            rows = []
            for pair in (tuple(lanes[n : n + 2]) for n in range(0, len(lanes), 2)):
                if pair not in pairs:
                    numbers = [self.values[lane] for lane in pair]
                    pairs[pair] = Signal(self.number, name="pair" + "_".join(map(str, pair)))
                    m.d.sync += pairs[pair].eq(
                        self._two(*numbers) if len(numbers) > 1 else numbers[0]
                    )
                rows.append(pairs[pair])
            square = Signal(self.number, name=f"square{geometry.width}_{lanes[0]}")
            found = self._two(*rows) if len(rows) > 1 else rows[0]
            m.d.comb += square.eq(self._by_kind(self._whole(found), found))
            squares.append(square)
        return squares

    def _place(
        self, m: Module, moved: data.View, squares: list[Value], slot: Signal, geometry: Geometry
    ) -> None:
        """Puts the pooled lanes where the slot belongs."""
        with m.Switch(slot):
            for number in range(geometry.pooled_slots):
                with m.Case(number):
                    first, mask = geometry.pooled_offset(number), geometry.pooled_mask(number)
                    for place, square in enumerate(squares):
                        if mask >> place & 1 and first + place < self.pixels:
                            m.d.comb += moved[first + place].eq(square)
