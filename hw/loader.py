"""Loader: walks tiles, groups and channels, and reads each channel's words for the array.

It runs ahead of the issuer and needs no handshake: passes begin ``pass_cycles`` apart, and
within a pass steps of F channels begin ``stride`` cycles apart::

    pass_cycle   0 1 .. F-1   ...   stride ..           ...   pass_cycles-1
    channel      0 1 .. F-1         F  F+1 .. 2F-1

Addresses need no division: the three banks' row bases are registers, and moving on by one tile
advances one of them, that of the bank which held the tile above.

At stride 2 a tile of outputs moves the middle tile on by two (see `hw.maps.geometry`), or by four
where it takes two reads. Then each channel is read twice, around the middle tile and around the one
two tiles further, where two of the three banks are a row of words ahead::

    step_cycle   0  1  2  3 .. 2F-1
    channel      0  0  1  1
    second       0  1  0  1
    load         0  1  0  1

Where rows are cut into tiles (see `hw.maps.layout`), each channel is read three times in turn: left
of the tile, right of it, and itself, ``part`` 0, 1, 2. A bank then holds the tiles of its row side
by side, and only the last of them moves the row on. At stride 2 the next tile of outputs lies
around the input tile after the next.

Of a 1x1 convolution a slot is a bundle of channels (`hw.pointwise`): they are read one after the
other, each in as many parts as it takes, and ``tap`` counts them. Numbers of several bits are
walked plane by plane, within a tile: activations' planes lie one behind the other, and for each
plane of weights the loader begins again with the tile's first channel::

    step_cycle   0  1  2  3  4  5 ..     stride 2, two reads a channel, two channels a bundle
    channel      0  0  1  1  2  2
    tap          0  0  1  1  0  0
    part         0  1  0  1  0  1
    load         0  0  0  1  0  0

Of a map that is flattened, each pixel is a channel: the loader reads all channels' words for one
pixel, again for the next one, and then goes on to the next tile; ``pixel`` is the lane wanted.
"""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.maps.banks import BANKS
from hw.schedule import Timing

__all__ = ["Loader"]


class Loader(wiring.Component):
    """See the module.

    Parameters
    ----------
    layout, timing : the descriptor's layout and the engine's timing, with one read a channel.
    pixels, channels, words : P, C, and the depth of a bank.
    strided : a layer has stride 2. reads : those that a slot takes in one layer or another,
        parts : those of a channel. taps : the most channels of a bundle, 0 without any.
        flatten : a map is flattened.
    columns : the most tiles that a row is cut into.

    Members
    -------
    start : In, strobe one cycle before the first read; the descriptor is valid with it.
    descriptor : In, of the running layer.
    in_base : In, place of the layer's input map in each bank.
    address : Out, [3] read addresses; valid with ``read``.
    read : Out, a channel is read this cycle; ``lane`` is its place in the group and ``null``
        says that the map has no such channel. part : Out, which of its reads this is;
        load : Out, the last one. tap : Out, with bundles, which of its channels; absent : Out,
        the map lacks this one. pixel : Out, with ``flatten``, the lane wanted.
    phase : Out, bank of the middle tile; first_rows, last_rows : Out(P), lanes whose windows
        reach over the map's first and last row; first_columns, last_columns : Out(P), over its
        first and last column. All valid with ``read``.
    """

    def __init__(
        self,
        layout: data.StructLayout,
        timing: Timing,
        *,
        pixels: int,
        channels: int,
        words: int,
        strided: bool,
        reads: frozenset[int],
        parts: frozenset[int],
        taps: int,
        flatten: bool,
        columns: int,
    ):
        self.timing = timing
        self.channels = channels
        self.strided = strided
        self.reads = reads
        self.parts = parts
        self.taps = taps
        self.flatten = flatten
        self.columns = columns
        address = range(max(words, 2))
        super().__init__(
            {
                "start": In(1),
                "descriptor": In(layout),
                "in_base": In(address),
                "address": Out(data.ArrayLayout(Signal(address).shape(), BANKS)),
                "read": Out(1),
                "part": Out(range(3)),
                "load": Out(1),
                **({"tap": Out(range(taps)), "absent": Out(1)} if taps else {}),
                **({"pixel": Out(range(pixels))} if flatten else {}),
                "lane": Out(range(channels)),
                "null": Out(1),
                "phase": Out(range(BANKS)),
                "first_rows": Out(pixels),
                "last_rows": Out(pixels),
                "first_columns": Out(pixels),
                "last_columns": Out(pixels),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        d, timing = self.descriptor, self.timing
        active = Signal()
        tile = Signal.like(d.end_tile)
        column = Signal(range(self.columns))
        group = Signal.like(d.last_group)
        place = Signal.like(d.row_words)  # of the tile's first channel in its row of tiles
        channel = Signal.like(d.row_words + d.c_in + self.channels)
        pass_cycle = Signal.like(d.pass_end)
        step_cycle = Signal(range(timing.reading(max(self.reads)).stride))
        step = Signal(range(timing.steps + 1))
        bases = Signal.like(self.address)
        middle = Signal.like(self.phase)  # bank of the first read's middle tile

        step_reads, step_end, last_part = timing.step_reads, timing.stride - 1, 0
        for parts, layer in ((2, d.twice), (3, d.thrice)):
            if parts in self.parts:
                step_reads = Mux(layer, timing.reading(parts).step_reads, step_reads)
                step_end = Mux(layer, timing.reading(parts).stride - 1, step_end)
                last_part = Mux(layer, parts - 1, last_part)
        self._address(m, bases, channel, middle)
        channel_end = self.read & (self.part == last_part)
        if max(self.parts) > 1:
            with m.If(self.read):
                m.d.sync += self.part.eq(Mux(channel_end, 0, self.part + 1))
        m.d.comb += self.load.eq(channel_end)
        if self.taps:
            step_reads, step_end = d.step_reads, d.step_end
            m.d.comb += self.load.eq(channel_end & (self.tap == d.last_tap))
            with m.If(channel_end):
                m.d.sync += self.tap.eq(Mux(self.load, 0, self.tap + 1))

        last_column = column == d.last_column if self.columns > 1 else 1
        next_place = place + (Mux(d.strided, d.c_in << 1, d.c_in) if self.strided else d.c_in)
        first_place = d.first_place if 3 in self.parts else 0
        last_group = tile_end = group == d.last_group
        plane = first_channel = None
        if "end_plane" in d.shape().members:
            plane = Signal.like(d.end_plane)
            first_channel = Signal.like(channel)  # of the plane
            tile_end = last_group & (plane == d.end_plane)
        pass_end = pass_cycle == d.pass_end
        m.d.comb += [
            self.read.eq(active & (step_cycle < step_reads) & (step < timing.steps)),
            self.null.eq(last_group & (self.lane >= d.last_channels)),
            self.first_rows.eq(Mux(tile == 0, d.first_rows, 0)),
            self.last_rows.eq(Mux(tile == d.bottom_tile, d.last_rows, 0)),
            self.first_columns.eq(Mux(column == 0, d.first_columns, 0)),
            self.last_columns.eq(Mux(last_column, d.last_columns, 0)),
        ]

        if self.taps:
            last_slot = last_group & (self.lane == d.last_channels - 1)
            m.d.comb += self.absent.eq(last_slot & (self.tap >= d.last_taps))

        def begin(place) -> None:
            """Goes on with this channel, the first one of a plane."""
            m.d.sync += channel.eq(place)
            if first_channel is not None:
                m.d.sync += first_channel.eq(place)

        with m.If(self.load):
            m.d.sync += self.lane.eq(self.lane + 1)
        with m.If(channel_end):
            m.d.sync += channel.eq(channel + 1)
            if self.flatten:
                inner = Signal.like(d.last_inner)
                with m.If(d.flatten):
                    m.d.sync += inner.eq(inner + 1)
                    with m.If(inner == d.last_inner):
                        m.d.sync += [inner.eq(0), self.pixel.eq(self.pixel + 1)]
                        m.d.sync += channel.eq(0 if first_channel is None else first_channel)
                        with m.If(self.pixel == d.last_pixel):
                            m.d.sync += self.pixel.eq(0)
                            self._move_on(m, bases, middle)
        with m.If(active):
            m.d.sync += [step_cycle.eq(step_cycle + 1), pass_cycle.eq(pass_cycle + 1)]
            with m.If((step_cycle == step_end) & (step < timing.steps)):
                m.d.sync += [step_cycle.eq(0), step.eq(step + 1)]
        with m.If(active & pass_end):
            m.d.sync += [pass_cycle.eq(0), step_cycle.eq(0), step.eq(0), self.lane.eq(0)]
            m.d.sync += group.eq(group + 1)
            with m.If(last_group):
                m.d.sync += group.eq(0)
                if plane is not None:
                    m.d.sync += plane.eq(plane + 1)
                    begin(first_channel + d.plane_words)
                    if self.flatten:
                        with m.If(d.flatten):
                            m.d.sync += [inner.eq(0), self.pixel.eq(0)]
                            self._first_tile(m, bases, middle)
            with m.If(tile_end):
                if plane is not None:
                    m.d.sync += plane.eq(0)
                if self.columns > 1:
                    m.d.sync += [column.eq(column + 1), place.eq(next_place)]
                    begin(next_place)
                with m.If(last_column):
                    m.d.sync += [column.eq(0), tile.eq(tile + 1), place.eq(first_place)]
                    begin(first_place)
                    m.d.sync += active.eq(tile != d.end_tile)
                    self._move_on(m, bases, middle)
        with m.If(self.start):
            m.d.sync += [signal.eq(0) for signal in (tile, group, column)]
            m.d.sync += place.eq(first_place)
            begin(first_place)
            if plane is not None:
                m.d.sync += plane.eq(0)
            if self.flatten:
                m.d.sync += [inner.eq(0), self.pixel.eq(0)]
            m.d.sync += [signal.eq(0) for signal in (pass_cycle, step_cycle, step, self.lane)]
            m.d.sync += active.eq(1)
            self._first_tile(m, bases, middle)
        return m

    def _first_tile(self, m: Module, bases, middle: Signal) -> None:
        m.d.sync += [middle.eq(0), bases[0].eq(self.in_base), bases[1].eq(self.in_base)]
        # The first advance of the last bank brings it to the map's first row.
        m.d.sync += bases[2].eq(self.in_base - self.descriptor.row_words)

    def _move_on(self, m: Module, bases, middle: Signal) -> None:
        """To the middle tile of the next pass: one, two or four rows of tiles further."""
        d = self.descriptor
        up, down = Mux(middle == BANKS - 1, 0, middle + 1), Mux(middle == 0, BANKS - 1, middle - 1)
        words = d.row_words
        further = Mux(d.twice, words << 1, words) if 2 in self.parts else words
        m.d.sync += middle.eq(Mux(d.strided & ~d.twice, down, up) if self.strided else up)
        for bank in range(BANKS):
            # The bank of the tile above is the one before the middle tile's.
            with m.If(middle == (bank + 1) % BANKS):
                m.d.sync += bases[bank].eq(bases[bank] + further)
            if self.strided:
                with m.Elif((middle == bank) & d.strided):
                    m.d.sync += bases[bank].eq(bases[bank] + words)
            if 2 in self.parts:
                with m.Elif((middle == (bank - 1) % BANKS) & d.twice):
                    m.d.sync += bases[bank].eq(bases[bank] + words)

    def _address(self, m: Module, bases, channel: Signal, middle: Signal) -> None:
        """Addresses, and the bank of the middle tile, of each part."""
        d = self.descriptor
        further = d.twice & self.part[0] if 2 in self.parts else Const(0)
        # Two tiles further is one bank back.
        back = Mux(middle == 0, BANKS - 1, middle - 1)
        m.d.comb += self.phase.eq(Mux(further, back, middle))
        beside = channel
        if 3 in self.parts:
            apart = Mux(self.part == 0, channel - d.c_in, channel + d.c_in)
            beside = Mux(d.thrice & (self.part != 2), apart, channel)
        ahead = Signal.like(d.row_words + channel)
        if 2 in self.parts:
            m.d.sync += ahead.eq(d.row_words + channel)
        for bank in range(BANKS):
            is_next = middle == (bank - 1) % BANKS
            place = Mux(further & ~is_next, ahead, beside)
            m.d.comb += self.address[bank].eq(bases[bank] + place)
