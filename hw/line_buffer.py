"""Line buffer: a tile's rows and the rows above and below them, side by side in the lanes.

Takes the words of tiles t-1, t, t+1 of one channel, fresh from the three banks, and gives every
lane its 3x3 window, one channel a cycle::

    cycle          0            1
    banks          3 words
    windows                     P x 9 bits, masked

Moving a row up or down is wiring that depends on the map's width only, so it costs one
multiplexer input for each width that the network has. A tap outside the map reads 0; what this
does to the sums, `hw.starts` puts right.

At stride 2 (see `hw.maps.geometry`) the lanes hold outputs. A row of taps then has two words, of
even columns for the middle tap and of odd ones for the right tap, which is the left tap of the lane
behind. Where a word of outputs takes two reads, the second keeps what the first has brought::

    cycle          0            1            2
    banks          3 words      3 words
    part           0            1
    windows                     (lower part) P x 9 bits

A map wider than the lanes is cut, see `hw.maps.layout`. The tiles to the left and to the right are
then read first, and of these only the nearest column is kept, three bits each::

    cycle          0            1            2            3
    banks          3 left       3 right      3 words
    part           0            1            2
    windows                                               P x 9 bits

So at stride 2, too, where the outputs' lanes take their taps from all three.

The windows of a 1x1 convolution hold the pixel of several channels (`hw.pointwise`), as they come,
two cycles after the last of them was read::

    cycle          0            1            2            3
    banks          channel c    channel c+1  channel c+2
    tap            0            1            2
    windows                                               P x 3 bits, the other taps 0

Of a map that is flattened, only the first lane is used, and brought there is the pixel wanted.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.maps.banks import BANKS
from hw.maps.geometry import BESIDE, Geometry
from hw.maps.layout import tile_columns

__all__ = ["LineBuffer"]

ROWS = {"above": -1, "middle": 0, "below": 1}
# Where rows are cut, a tile holds one: which tile has which row of taps.
TILE_OF_ROW = {"above": "previous", "middle": "current", "below": "next"}


class LineBuffer(wiring.Component):
    """See the module; latency 1 cycle.

    Parameters
    ----------
    geometries : the map widths and strides that can be handled.
    taps : the most channels of a 1x1 convolution's bundle, 0 without any. flatten : a map is
        flattened.
    ones : a layer takes what is outside its map for +1.

    Members
    -------
    words : In, [3] words as the banks hold them.
    phase : In, bank of the middle tile.
    part : In, with ``words``: which of a channel's reads this is.
    geometry : In, which of the geometries.
    first_rows, last_rows : In(P), lanes whose windows reach over the map's first and last row,
        with ``words``.
    first_columns, last_columns : In(P), those over its first and last column, with ``windows``.
    pointwise : In, with ``taps``: the layer is a 1x1 convolution. tap, absent : In, with ``words``:
        which channel of a bundle they are, and whether the map lacks it.
    flatten, pixel : In, with ``flatten``: the layer flattens its map; lane wanted of ``words``.
    ones : In, with ``ones``: the layer takes what is outside its map for +1.
    windows : Out(9 * P); tap t of lane i at bit ``9 * i + t``.
    """

    latency = 1

    def __init__(
        self,
        geometries: tuple[Geometry, ...],
        pixels: int,
        *,
        taps: int = 0,
        flatten: bool = False,
        ones: bool = False,
    ):
        self.geometries = geometries
        self.pixels = pixels
        self.taps = taps
        self.flattens = flatten
        self.with_ones = ones
        bundle = {"pointwise": In(1), "tap": In(range(taps)), "absent": In(1)}
        super().__init__(
            {
                "words": In(data.ArrayLayout(pixels, BANKS)),
                "phase": In(range(BANKS)),
                "part": In(range(3)),
                "geometry": In(range(max(len(geometries), 2))),
                "first_rows": In(pixels),
                "last_rows": In(pixels),
                "first_columns": In(pixels),
                "last_columns": In(pixels),
                **(bundle if taps else {}),
                **({"flatten": In(1), "pixel": In(range(pixels))} if flatten else {}),
                **({"ones": In(1)} if ones else {}),
                "windows": Out(9 * pixels),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        tiles = {}
        for place, name in ((-1, "previous"), (0, "current"), (1, "next")):
            tiles[name] = Signal(self.pixels, name=name)
            rotated = Array(self.words[(bank + place) % BANKS] for bank in range(BANKS))
            m.d.comb += tiles[name].eq(rotated[self.phase])

        # The three rows of every lane's window, aligned to the lanes; at stride 2, the columns
        # to the right of them.
        masks = {"above": self.first_rows, "middle": None, "below": self.last_rows}
        rows = {name: Signal(self.pixels, name=name) for name in ROWS}
        new = {name: Signal(self.pixels, name=f"new_{name}") for name in ROWS}
        odds = {name: Signal(self.pixels, name=f"{name}_odd") for name in ROWS}
        strided, cut = Signal(), Signal()
        m.d.comb += new["middle"].eq(tiles["current"])
        with m.Switch(self.geometry):
            for number, geometry in enumerate(self.geometries):
                if geometry.flat:
                    continue
                with m.Case(number):
                    if geometry.stride == 1:
                        m.d.comb += cut.eq(geometry.row_tiles > 1)
                        self._align(m, geometry, tiles, new, masks)
                        continue
                    m.d.comb += strided.eq(1)
                    take = self._take if geometry.row_tiles == 1 else self._take_cut
                    for name in ROWS:
                        even = take(geometry, tiles, rows[name], name, 0)
                        odd = take(geometry, tiles, odds[name], name, 1)
                        m.d.comb += new[name].eq(self._masked(even, masks[name]))
                        m.d.sync += odds[name].eq(self._masked(odd, masks[name]))

        taps = []
        for name, row in rows.items():
            m.d.sync += row.eq(new[name])
            left, right = (row << 1)[: self.pixels], row >> 1
            if any(geometry.stride == 2 for geometry in self.geometries):
                left = Mux(strided, odds[name] << 1, left)[: self.pixels]
                right = Mux(strided, odds[name], right)
            if any(geometry.outputs.row_tiles > 1 for geometry in self.geometries):
                near = self._masked(tiles[TILE_OF_ROW[name]], masks[name])
                left, right = self._join(m, name, near, left, right, cut)
            left = self._masked(left, self.first_columns)
            taps += [left, row, self._masked(right, self.last_columns)]
        if self.taps:
            channel = new["middle"]
            if self.flattens:
                pixel = tiles["current"].bit_select(self.pixel, 1)
                channel = Cat(Mux(self.flatten, pixel, channel[0]), channel[1:])
            taps = self._bundle(m, taps, channel)
        planes = [Signal(self.pixels, name=f"tap{tap}") for tap in range(len(taps))]
        m.d.comb += [plane.eq(tap) for plane, tap in zip(planes, taps, strict=True)]
        m.d.comb += self.windows.eq(
            Cat(plane[lane] for lane in range(self.pixels) for plane in planes)
        )
        return m

    def _align(self, m: Module, geometry: Geometry, tiles, new, masks) -> None:
        """At stride 1: the pixels above and below every lane's own."""
        up = [geometry.above(lane) for lane in range(geometry.lanes)]
        down = [geometry.below(lane) for lane in range(geometry.lanes)]
        for name, places in (("above", up), ("below", down)):
            aligned = Cat(tiles[tile][lane] for tile, lane in places)
            m.d.comb += new[name].eq(self._masked(aligned, masks[name]))

    def _masked(self, taps: Value, outside: Signal | None) -> Value:
        """Taps, where they lie outside the map 0, or 1 where the layer wants that."""
        if outside is None:
            return taps
        if self.with_ones:
            return (taps & ~outside) | (outside & self.ones.replicate(self.pixels))
        return taps & ~outside

    def _bundle(self, m: Module, taps: list[Value], word: Value) -> list[Value]:
        """The taps of a window or, of a 1x1 convolution, a bundle's channels as they come."""
        bundle = [Signal(self.pixels, name=f"channel{number}") for number in range(self.taps)]
        for number, channel in enumerate(bundle):
            with m.If(self.tap == 0):
                m.d.sync += channel.eq(0)
            with m.If((self.tap == number) & ~self.absent):
                m.d.sync += channel.eq(word)
        bundle += [Const(0, self.pixels)] * (len(taps) - self.taps)
        return [
            Mux(self.pointwise, channel, tap) for channel, tap in zip(bundle, taps, strict=True)
        ]

    def _take(self, geometry: Geometry, tiles, kept: Signal, name: str, column: int):
        """At stride 2: one tap of every lane, the lower part kept in a second read."""
        places = geometry.taps(ROWS[name], column)
        part = Cat(tiles[place[0]][place[1]] if place else Const(0) for place in places)
        if geometry.parts == 1:
            return part
        return Cat(Mux(self.part[0], kept[: len(part)], part), part)

    def _take_cut(self, geometry: Geometry, tiles, kept: Signal, name: str, column: int):
        """The same where rows are cut: lanes keep what one of the first two reads has brought."""
        lanes = []
        for lane, (part, place) in enumerate(geometry.cut_taps(column)):
            tap = tiles[TILE_OF_ROW[name]][place]
            last = part == len(BESIDE) - 1
            lanes.append(tap if last else Mux(self.part == part, tap, kept[lane]))
        return Cat(lanes)

    def _join(self, m: Module, name: str, near: Value, left, right, cut: Signal):
        """Where rows are cut: taps to the left and right, with the nearest columns of the tiles
        beside, ``near``, which the first two reads have brought."""
        columns = tile_columns(self.pixels + 1, self.pixels)
        before, behind = Signal(name=f"{name}_before"), Signal(name=f"{name}_behind")
        with m.Switch(self.part):
            with m.Case(0):
                m.d.sync += before.eq(near[columns - 1])
            with m.Case(1):
                m.d.sync += behind.eq(near[0])
        # Where rows are whole, the first lane is masked, and the last one takes its neighbour; at
        # stride 2 it has its tap to the right itself.
        last = Mux(cut, behind, right[columns - 1])
        return Cat(before, left[1:]), Cat(right[: columns - 1], last, right[columns:])
