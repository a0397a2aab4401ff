"""Thermometer encoder: bytes of an image in, words of binary planes out.

Pixels come colour by colour, row by row. Each is compared with all of its colour's thresholds;
the bits are gathered in one word a level: shift registers, so that no lane needs a multiplexer to
find its pixel. When a tile is full (or the colour ends), its words are written, one level a cycle,
while the stream waits::

    cycle       0 .. n-1        n .. n+levels-1
    i           n pixels        (waits)
    write                       level 0, 1, ...

so an image takes one cycle a pixel and one a written word, and one for each cycle in which the
memory cannot take that word. Two halves of the input memory let
the next image come in while this one is computed: ``full`` says which halves hold one.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.maps.banks import BANKS
from hw.maps.geometry import lane_mask
from hw.maps.layout import row_tiles, rows_per_tile, tile_columns, tiles

__all__ = ["Encoder"]


class Encoder(wiring.Component):
    """See the module.

    Parameters
    ----------
    thresholds : [colours][levels] ints; a plane is 1 where the pixel is >= its threshold.
    height, width : of the image.
    pixels : lanes of a word.
    half_words : words of a bank that one half takes.

    Members
    -------
    i : stream of bytes.
    write_valid, write_half, write_bank, write_address, write_data : a word for the input memory;
        the address counts within the half.
    write_ready : In, it is taken.
    write_tile, write_channel : which word it is (observation).
    full : Out(2), halves that hold a whole image; release : In(2), strobes that free them.
    """

    def __init__(
        self,
        thresholds: list[list[int]],
        *,
        height: int,
        width: int,
        pixels: int,
        half_words: int,
    ):
        self.thresholds = thresholds
        self.height = height
        self.width = width
        self.pixels = pixels
        self.levels = len(thresholds[0])
        self.tiles = tiles(height, width, pixels)
        self.channels = len(thresholds) * self.levels
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "write_valid": Out(1),
                "write_ready": In(1, init=1),
                "write_half": Out(1),
                "write_bank": Out(range(BANKS)),
                "write_address": Out(range(max(half_words, 2))),
                "write_data": Out(pixels),
                "write_tile": Out(range(self.tiles)),
                "write_channel": Out(range(self.channels)),
                "full": Out(2),
                "release": In(2),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        columns, in_row = tile_columns(self.width, self.pixels), row_tiles(self.width, self.pixels)
        lanes = rows_per_tile(self.width, self.pixels) * columns
        if in_row == 1:
            last_lanes = self.height * self.width - (self.tiles - 1) * lanes
        else:
            last_lanes = self.width - (in_row - 1) * columns
        colours = len(self.thresholds)

        colour = Signal(range(colours))
        tile = Signal(range(self.tiles))
        bank = Signal(range(BANKS))
        row_base = Signal.like(self.write_address)
        # Of this tile; while no row is cut, the same.
        base = Signal.like(self.write_address) if in_row > 1 else row_base
        column = Signal(range(in_row))
        level = Signal(range(self.levels))
        half = Signal()
        place = Signal(range(lanes))  # of the next pixel in its tile
        words = [Signal(lanes, name=f"word{n}") for n in range(self.levels)]
        writing = Signal()

        last_tile = tile == self.tiles - 1
        row_end = column == in_row - 1
        short = last_tile if in_row == 1 else row_end
        if last_lanes == lanes:
            short = Const(0)
        tile_end = place == Mux(short, last_lanes - 1, lanes - 1)
        last_level = level == self.levels - 1
        accept = self.i.valid & self.i.ready
        m.d.comb += self.i.ready.eq(~writing & ~self.full.bit_select(half, 1))

        with m.If(accept):
            m.d.sync += [place.eq(place + 1), writing.eq(tile_end)]
            for number, word in enumerate(words):
                steps = [Const(row[number], 8) for row in self.thresholds]
                is_one = self.i.payload >= Array(steps)[colour]
                m.d.sync += word.eq(Cat(word[1:], is_one))
                with m.If(short):
                    # The last of so few pixels comes to rest here; lanes above hold what was.
                    m.d.sync += word[last_lanes - 1].eq(is_one)

        real = Mux(short, lane_mask(last_lanes), lane_mask(lanes))
        m.d.comb += [
            self.write_valid.eq(writing),
            self.write_half.eq(half),
            self.write_bank.eq(bank),
            self.write_address.eq(base + self.write_channel),
            self.write_data.eq(Array(words)[level] & real),
            self.write_tile.eq(tile),
            self.write_channel.eq(colour * self.levels + level),
        ]

        full_now = Signal(2)
        m.d.sync += self.full.eq((self.full | full_now) & ~self.release)
        with m.If(writing & self.write_ready):
            m.d.sync += level.eq(level + 1)
            with m.If(last_level):
                m.d.sync += [level.eq(0), writing.eq(0), place.eq(0)]
                m.d.sync += [tile.eq(tile + 1), column.eq(column + 1)]
                m.d.sync += base.eq(base + self.channels)
                with m.If(row_end):
                    m.d.sync += [column.eq(0), bank.eq(bank + 1), base.eq(row_base)]
                    with m.If(bank == BANKS - 1):
                        m.d.sync += [bank.eq(0), base.eq(base + self.channels)]
                        m.d.sync += row_base.eq(base + self.channels)
                with m.If(last_tile):
                    m.d.sync += [signal.eq(0) for signal in (tile, bank, column, base, row_base)]
                    m.d.sync += colour.eq(Mux(colour == colours - 1, 0, colour + 1))
                    with m.If(colour == colours - 1):
                        m.d.comb += full_now.eq(Cat(~half, half))
                        m.d.sync += half.eq(~half)
        return m
