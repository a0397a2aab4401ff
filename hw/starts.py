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
"""

from collections.abc import Iterator

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.array.interface import sum_offset
from hw.geometry import Geometry
from hw.params import ArrayParameters
from model import bits
from model.network import Conv

__all__ = ["PLACES", "Starts", "odd_places", "start_bits", "start_values"]

SIDES = 3  # first, between, last
PLACES = SIDES * SIDES
FIRST, BETWEEN, LAST = range(SIDES)


def start_bits(c_in: int) -> int:
    """Bits of a sum that started so, its sign included: from -(9 c_in + 1) to 9 c_in."""
    return bits_for(bits.TAPS * c_in) + 1


def _masked(side: int, size: int, stride: int) -> np.ndarray:
    """Which of three rows (columns) of taps lie outside the map, for an output on this side of it.

    At stride 2 the last window of an even side ends at the border and has no masked tap there.
    """
    outside = np.zeros(3, bool)
    outside[0] = side == FIRST
    ends_inside = stride == 2 and size % 2 == 0
    outside[2] = (side == LAST and not ends_inside) or (side == FIRST and size == 1)
    return outside


def start_values(conv: Conv, parameters: ArrayParameters) -> np.ndarray:
    """Starts of a layer's output channels by place, int64 [c_out, 9]; place 3 * row + column.

    In a map of one row (column) every pixel is in the first one.
    """
    taps = conv.kernels[..., None].astype(np.int64) >> np.arange(bits.TAPS) & 1
    zeros = (1 - taps).sum(axis=1)  # [c_out, 9]
    groups = -(-conv.c_in // parameters.channels)
    negated = np.zeros((conv.c_out, groups * parameters.channels), bool)  # heeded if antipodal
    negated[:, : conv.c_in] = conv.indices >= len(conv.codebook) // 2
    negated = negated.reshape(conv.c_out, groups, parameters.channels)
    offset = sum_offset(parameters, negated).sum(axis=1)
    thresholds = conv.thresholds.astype(np.int64) * (conv.stream is None)
    starts = []
    for outside in _outside(conv):
        valid = int(bits.TAPS - outside.sum()) * conv.c_in
        limits = -(-(thresholds + valid) // 2)
        starts.append(-(limits.clip(0, valid + 1) + zeros @ outside + offset))
    return np.stack(starts, axis=1)


def odd_places(conv: Conv) -> int:
    """Mask of the places whose sums in a layer with a stream are odd."""
    odd = (int(bits.TAPS - outside.sum()) * conv.c_in % 2 for outside in _outside(conv))
    return sum(bit << place for place, bit in enumerate(odd))


def _outside(conv: Conv) -> Iterator[np.ndarray]:
    """For each place, bool [9]: which taps lie outside the map."""
    for row in range(SIDES):
        for column in range(SIDES):
            rows = _masked(row, conv.height, conv.stride)
            columns = _masked(column, conv.width, conv.stride)
            yield (rows[:, None] | columns).reshape(-1)


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
