"""Line buffer: a tile's rows and the rows above and below them, side by side in the lanes.

Takes the words of tiles t-1, t, t+1 of one channel, fresh from the three banks, and gives every
lane its 3x3 window, one channel a cycle::

    cycle          0            1
    banks          3 words
    windows                     P x 9 bits, masked

Moving a row up or down is wiring that depends on the map's width only, so it costs one
multiplexer input for each width that the network has. A tap outside the map reads 0; what this
does to the sums, `hw.array.border` puts right.
"""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.banks import BANKS
from hw.geometry import Geometry

__all__ = ["LineBuffer"]


class LineBuffer(wiring.Component):
    """See the module; latency 1 cycle.

    Parameters
    ----------
    geometries : the map widths that can be handled.

    Members
    -------
    words : In, [3] words as the banks hold them.
    phase : In, bank of the middle tile.
    geometry : In, which of the geometries.
    first_rows, last_rows : In(P), lanes in the map's first and last row, with ``words``.
    first_columns, last_columns : In(P), lanes in its first and last column, constant in a layer.
    windows : Out(9 * P); tap t of lane i at bit ``9 * i + t``.
    """

    latency = 1

    def __init__(self, geometries: tuple[Geometry, ...], pixels: int):
        self.geometries = geometries
        self.pixels = pixels
        super().__init__(
            {
                "words": In(data.ArrayLayout(pixels, BANKS)),
                "phase": In(range(BANKS)),
                "geometry": In(range(max(len(geometries), 2))),
                "first_rows": In(pixels),
                "last_rows": In(pixels),
                "first_columns": In(pixels),
                "last_columns": In(pixels),
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

        # The three rows of every lane's window, aligned to the lanes.
        above, middle, below = (
            Signal(self.pixels, name=name) for name in ("above", "middle", "below")
        )
        m.d.sync += middle.eq(tiles["current"])
        with m.Switch(self.geometry):
            for number, geometry in enumerate(self.geometries):
                with m.Case(number):
                    up = [geometry.above(lane) for lane in range(geometry.lanes)]
                    down = [geometry.below(lane) for lane in range(geometry.lanes)]
                    m.d.sync += [
                        above.eq(Cat(tiles[name][lane] for name, lane in up) & ~self.first_rows),
                        below.eq(Cat(tiles[name][lane] for name, lane in down) & ~self.last_rows),
                    ]

        taps = []
        for row in (above, middle, below):
            taps += [
                (row << 1)[: self.pixels] & ~self.first_columns,
                row,
                (row >> 1) & ~self.last_columns,
            ]
        planes = [Signal(self.pixels, name=f"tap{tap}") for tap in range(len(taps))]
        m.d.comb += [plane.eq(tap) for plane, tap in zip(planes, taps, strict=True)]
        m.d.comb += self.windows.eq(
            Cat(plane[lane] for lane in range(self.pixels) for plane in planes)
        )
        return m
