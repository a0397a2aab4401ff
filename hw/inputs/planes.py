"""Bit planes of numbers that come one by one: numbers of a map in, words of each plane out.

Numbers come channel by channel, row by row; the bits of each are its planes, the highest first.
They are gathered in one word a plane; when a tile is full (or the channel ends), its words are
written, a plane a cycle, while the stream waits::

    cycle       0 .. n-1        n .. n+bits-1
    i           n numbers       (waits)
    write                       highest plane .. lowest

so a map takes one cycle a number and one a written word, and one for each cycle in which the memory
cannot take that word. For a network of encoding "binary" the numbers are the pixels, and this is
all its encoder.

As behind `hw.inputs.thermometer`, two halves of the input memory let the next map come in while
this one is computed: ``full`` says which halves hold one.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.maps.banks import BANKS
from hw.maps.geometry import lane_mask
from hw.maps.layout import row_tiles, rows_per_tile, tile_columns, tiles

__all__ = ["PlaneEncoder"]


class PlaneEncoder(wiring.Component):
    """See the module.

    Parameters
    ----------
    channels, bits : of the map's numbers; plane p, 0 the highest, is plane ``p * channels + c``.
    height, width : of the map.
    pixels : lanes of a word.
    half_words : words of a bank that one half takes.

    Members
    -------
    i : stream of numbers.
    write_valid, write_half, write_bank, write_address, write_data : a word for the input memory;
        the address counts within the half.
    write_ready : In, it is taken.
    write_tile, write_channel : which word it is (``write_channel`` counts planes).
    place : Out(pixels), one-hot: the lane of the number at ``i``. channel : Out, its channel;
        channel_end : Out, strobe, it is taken and ends its channel; word_first : Out, the first
        plane of a word is written.
    full : Out(2), halves that hold a whole map; release : In(2), strobes that free them.
    """

    def __init__(
        self, *, channels: int, bits: int, height: int, width: int, pixels: int, half_words: int
    ):
        self.channels = channels
        self.bits = bits
        self.height = height
        self.width = width
        self.pixels = pixels
        self.tiles = tiles(height, width, pixels)
        super().__init__(
            {
                "i": In(stream.Signature(bits)),
                "write_valid": Out(1),
                "write_ready": In(1, init=1),
                "write_half": Out(1),
                "write_bank": Out(range(BANKS)),
                "write_address": Out(range(max(half_words, 2))),
                "write_data": Out(pixels),
                "write_tile": Out(range(self.tiles)),
                "write_channel": Out(range(bits * channels)),
                "place": Out(pixels, init=1),
                "channel": Out(range(channels)),
                "channel_end": Out(1),
                "word_first": Out(1),
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
        tile, column, place = self.write_tile, Signal(range(in_row)), self.place
        # Of the tile's first channel in its bank, and of its row's first tile.
        base, row_base = Signal.like(self.write_address), Signal.like(self.write_address)
        half, writing, level = Signal(), Signal(), Signal(range(self.bits))
        words = [Signal(self.pixels, name=f"word{n}") for n in range(self.bits)]

        last_tile = tile == self.tiles - 1
        row_end = column == in_row - 1
        last_channel = self.channel == self.channels - 1
        short = last_tile if in_row == 1 else row_end
        tile_end = Mux(short, place[last_lanes - 1], place[lanes - 1])
        accept = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(~writing & ~self.full.bit_select(half, 1)),
            self.channel_end.eq(accept & tile_end & last_tile),
        ]
        with m.If(accept):
            m.d.sync += [place.eq(place << 1), writing.eq(tile_end)]
            m.d.sync += self.write_channel.eq(self.channel)
            for number, word in enumerate(words):
                bit = self.i.payload[self.bits - 1 - number]
                # The first number of a tile clears what the tile before has left.
                m.d.sync += word.eq(Mux(place[0], 0, word) | Mux(bit, place, 0))

        m.d.comb += [
            self.write_valid.eq(writing),
            self.word_first.eq(writing & self.write_ready & (level == 0)),
            self.write_half.eq(half),
            self.write_address.eq(base + self.write_channel),
            self.write_data.eq(Array(words)[level] & lane_mask(lanes)),
        ]
        full_now = Signal(2)
        m.d.sync += self.full.eq((self.full | full_now) & ~self.release)
        planes = self.bits * self.channels
        bank = self.write_bank
        with m.If(writing & self.write_ready):
            m.d.sync += level.eq(level + 1)
            m.d.sync += self.write_channel.eq(self.write_channel + self.channels)
            with m.If(level == self.bits - 1):
                m.d.sync += [level.eq(0), writing.eq(0), place.eq(1)]
                m.d.sync += [tile.eq(tile + 1), column.eq(column + 1), base.eq(base + planes)]
                with m.If(row_end):
                    m.d.sync += [column.eq(0), bank.eq(bank + 1), base.eq(row_base)]
                    with m.If(bank == BANKS - 1):
                        m.d.sync += [bank.eq(0), base.eq(base + planes)]
                        m.d.sync += row_base.eq(base + planes)
                with m.If(last_tile):
                    m.d.sync += [signal.eq(0) for signal in (tile, bank, column, base, row_base)]
                    m.d.sync += self.channel.eq(Mux(last_channel, 0, self.channel + 1))
                    with m.If(last_channel):
                        m.d.comb += full_now.eq(Cat(~half, half))
                        m.d.sync += half.eq(~half)
        return m
