"""Where a lane's sum starts: at minus the threshold of its place in the map. Padding is in it too.

Windows hold 0 at taps outside the map, so an array counts an agreement there wherever the
kernel's bit is 0. How many of these there are, N, depends on the output channel and on the taps
that lie outside, and these on nothing but the pixel's row and column being first, last or between:
nine **places**. So N is known when the network is compiled, and there is one threshold a place.

Let V be the taps inside the map times c_in and A the agreements there. The convolution is
``2 A - V``, so ``2 A - V >= T`` if and only if ``A >= ceil((T + V) / 2)``. The array's sums, all
groups together, are ``A + N + offset``, where the offset is the array's own constant for the output
channel (`hw.array.interface.sum_offset`). A sum that starts at

    start = -(ceil((T + V) / 2) + N + offset)

is therefore negative exactly where the threshold is not reached: accumulator, border correction
and comparison are one addition. Starts are kept modulo 2^bits; the complete sums fit.

Where taps outside are +1 or -1, nothing is masked: N is 0, V is 9 c_in, and all places are alike.
So they are for a 1x1 convolution, whose N are the taps of a bundle that hold no channel
(`hw.pointwise`).

**Planes.** Of a layer with numbers of B bits (activations or weights), the sums of plane b count
2^b: V, N and offset above are their sums so weighted. A sum would start at ``start >> (B - 1)``,
double B - 1 times, each time with the next lower bit of ``start`` behind it. Both come from one
word, ``start`` rotated to the right by B - 1 places: its high end is what starts, for what stands
above it is doubled out of the sum; and its q-th bit from the top is what the q-th doubling takes,
whatever B is.
"""

from collections.abc import Iterator

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.array.interface import sum_offset
from hw.maps.geometry import Geometry
from hw.params import ArrayParameters
from hw.work import Work, work_of
from model import bits
from model.network import Conv, Pointwise

__all__ = [
    "PLACES",
    "Starts",
    "doubling_bits",
    "odd_places",
    "rotated",
    "start_bits",
    "start_values",
]

SIDES = 3  # first, between, last
PLACES = SIDES * SIDES
FIRST, BETWEEN, LAST = range(SIDES)


def start_bits(c_in: int, taps: int = bits.TAPS, largest: int = 1) -> int:
    """Bits of a sum that started so, its sign included: from -(9 c_in + 1) to 9 c_in.

    Where numbers are not of one bit, times the largest of them; and with the kernel's taps.
    """
    return bits_for(taps * c_in * largest) + 1


def _masked(side: int, size: int, stride: int) -> np.ndarray:
    """Which of three rows (columns) of taps lie outside the map, for an output on this side of it.

    At stride 2 the last window of an even side ends at the border and has no masked tap there.
    """
    outside = np.zeros(3, bool)
    outside[0] = side == FIRST
    ends_inside = stride == 2 and size % 2 == 0
    outside[2] = (side == LAST and not ends_inside) or (side == FIRST and size == 1)
    return outside


def _outside(layer: Conv | Pointwise, work: Work) -> Iterator[np.ndarray]:
    """For each place, int64 [slots]: masks of the taps that count nothing there."""
    for row in range(SIDES):
        for column in range(SIDES):
            if isinstance(layer, Pointwise) or layer.padding != "zero":
                yield work.outside
                continue
            rows = _masked(row, layer.height, layer.stride)
            columns = _masked(column, layer.width, layer.stride)
            taps = np.flatnonzero((rows[:, None] | columns).reshape(-1))
            yield work.outside | int((1 << taps).sum())


def _counts(layer: Conv | Pointwise) -> np.ndarray:
    """What each plane of the weights counts, in all planes of the activations; the highest first,
    int64 [weight planes, 1]."""
    return ((1 << layer.in_bits) - 1) * (1 << np.arange(layer.weight_bits)[::-1, None])


def _valid(layer: Conv | Pointwise, outside: np.ndarray) -> int:
    """V: taps inside the map, in all planes."""
    taps = bits.TAPS * len(outside) - int(bits.popcount(outside).sum())
    return taps * int(_counts(layer).sum())


def start_values(layer: Conv | Pointwise, parameters: ArrayParameters) -> np.ndarray:
    """Starts of a layer's output channels by place, int64 [c_out, 9]; place 3 * row + column.

    In a map of one row (column) every pixel is in the first one. With a stream, thresholds are 0:
    a sum is then half of the convolution, and of an odd one the smaller half; see `odd_places`.
    """
    work, counts = work_of(layer, parameters), _counts(layer)
    planes, c_out, slots = work.kernels.shape
    negated = np.pad(work.negated(parameters), ((0, 0), (0, 0), (0, -slots % parameters.channels)))
    negated = negated.reshape(planes, c_out, -1, parameters.channels)
    offset = (counts * sum_offset(parameters, negated).sum(axis=2)).sum(axis=0)
    thresholds = layer.thresholds.astype(np.int64) * (layer.stream is None)
    starts = []
    for outside in _outside(layer, work):
        valid = _valid(layer, outside)
        zeros = bits.popcount(~work.kernels & outside).sum(axis=2)
        limits = -(-(thresholds + valid) // 2)
        starts.append(-(limits.clip(0, valid + 1) + (counts * zeros).sum(axis=0) + offset))
    return np.stack(starts, axis=1)


def odd_places(layer: Conv | Pointwise, parameters: ArrayParameters) -> int:
    """Mask of the places whose sums in a layer with a stream are odd."""
    places = _outside(layer, work_of(layer, parameters))
    return sum(_valid(layer, outside) % 2 << place for place, outside in enumerate(places))


def rotated(start: int, width: int, planes: int) -> int:
    """A start as the memory holds it for a layer of so many planes; see the module."""
    low = start & ((1 << (planes - 1)) - 1)
    return (start >> (planes - 1)) & ((1 << (width - planes + 1)) - 1) | low << (width - planes + 1)


def doubling_bits(m: Module, word: data.View, plane: Value) -> Value:
    """Words of nine places, where planes behind the first find the bit to double with lowest."""
    width = word.shape().elem_shape
    places = []
    for place in range(PLACES):
        start = word[place]
        kept = Signal(width, name=f"place{place}")
        m.d.comb += kept.eq(start)
        with m.If(plane != 0):
            # The q-th bit from the top, for plane q.
            tops = Cat(start[0], *(start[width - q] for q in range(1, 1 << len(plane))))
            m.d.comb += kept[0].eq(tops.bit_select(plane, 1))
        places.append(kept)
    return Cat(places)


class Starts(wiring.Component):
    """Gives every lane the start of its place; latency 1 cycle.

    A tile's rows differ only in being first or last, so the choice is made once a row and is
    wiring from there on: a lane needs a multiplexer only for map widths that put it in different
    places, and a row that is last in no map has none either. In the tiles of a cut row the outer
    lanes are at the map's sides only in the first and the last tile: that, too, is chosen once.

    Parameters
    ----------
    geometries : those of the engine's outputs; last_rows : for each, the rows of a tile that are
        the last one of some map.
    pixels, width : lanes, and bits of a start.

    Members
    -------
    word : In, starts of the nine places from the lowest bit up.
    top, bottom : In, the tile holds the map's first or last row; last_row : In, which one that is.
    left, right : In, the tile holds the first or last column; heeded where rows are cut.
    geometry : In, which of the geometries, constant in a layer.
    starts : Out, [P], one cycle later.
    """

    latency = 1

    def __init__(
        self,
        geometries: tuple[Geometry, ...],
        last_rows: tuple[frozenset[int], ...],
        *,
        pixels: int,
        width: int,
    ):
        self.geometries, self.last_rows = geometries, last_rows
        self.rows = max(geometry.rows for geometry in geometries)
        super().__init__(
            {
                "word": In(data.ArrayLayout(width, PLACES)),
                "top": In(1),
                "bottom": In(1),
                "left": In(1),
                "right": In(1),
                "last_row": In(range(max(self.rows, 2))),
                "geometry": In(range(max(len(geometries), 2))),
                "starts": Out(data.ArrayLayout(width, pixels)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        between = self._row(m, "between", {BETWEEN: True})
        rows = []
        for row in range(self.rows):
            sides = {FIRST: self.top} if row == 0 else {}
            if any(row in last for last in self.last_rows):
                sides[LAST] = self.bottom & (self.last_row == row)
            rows.append(self._row(m, f"row{row}", sides | {BETWEEN: True}) if sides else between)
        for lane, start in enumerate(self.starts):
            chosen: dict[int, tuple[Signal, list[int]]] = {}
            for number, geometry in enumerate(self.geometries):
                if lane < geometry.lanes:
                    row, column = divmod(lane, geometry.columns)
                    value = rows[row][_sides(geometry, column)]
                    chosen.setdefault(id(value), (value, []))[1].append(number)
            # One of them is for all other geometries, whose lane this is not.
            *some, (other, _) = list(chosen.values()) or [(between[(BETWEEN,)], [])]
            m.d.comb += start.eq(other)
            with m.Switch(self.geometry):
                for value, numbers in some:
                    with m.Case(*numbers):
                        m.d.comb += start.eq(value)
        return m

    def _row(self, m: Module, name: str, sides: dict) -> dict[tuple[int, ...], Signal]:
        """A row's starts, of the first side whose condition holds, by what `_sides` gives."""
        kinds = {(FIRST,), (BETWEEN,), (LAST,)}
        for geometry in self.geometries:
            kinds |= {_sides(geometry, column) for column in range(geometry.columns)}
        chosen = {}
        for kind in sorted(kinds):
            signal = f"{name}_{''.join(map(str, kind))}"
            chosen[kind] = start = Signal(self.word.shape().elem_shape, name=signal)
            *conditional, (otherwise, _) = sides.items()
            m.d.sync += start.eq(self._column(otherwise, kind))
            for side, condition in reversed(conditional):
                with m.If(condition):
                    m.d.sync += start.eq(self._column(side, kind))
        return chosen

    def _column(self, row: int, kind: tuple[int, ...]) -> Value:
        """The start of a row's side, of the first column side that the tile has at the map's."""
        *conditional, otherwise = kind
        value = self.word[SIDES * row + otherwise]
        for side in reversed(conditional):
            at_side = self.left if side == FIRST else self.right
            value = Mux(at_side, self.word[SIDES * row + side], value)
        return value


def _sides(geometry: Geometry, column: int) -> tuple[int, ...]:
    """On which sides of the map a tile's column may be: one, or, where rows are cut, each that it
    is on in some tile, and between in the others."""
    last = (geometry.width - 1) % geometry.columns
    if geometry.columns == geometry.width:
        return (FIRST,) if column == 0 else (LAST,) if column == last else (BETWEEN,)
    ends = [side for side, at in ((FIRST, 0), (LAST, last)) if column == at]
    return (*ends, BETWEEN)
