"""Loader: walks tiles, groups and channels, and reads each channel's words for the array.

It runs ahead of the issuer and needs no handshake: passes begin ``pass_cycles`` apart, and
within a pass steps of F channels begin ``stride`` cycles apart::

    pass_cycle   0 1 .. F-1   ...   stride ..           ...   pass_cycles-1
    channel      0 1 .. F-1         F  F+1 .. 2F-1

Addresses need no division: the three banks' row bases are registers, and moving on by one tile
advances one of them, that of the bank which held the tile above.

At stride 2 a tile of outputs moves the middle tile on by two (see `hw.geometry`), or by four where
it takes two reads. Then each channel is read twice, around the middle tile and around the one two
tiles further, where two of the three banks are a row of words ahead::

    step_cycle   0  1  2  3 .. 2F-1
    channel      0  0  1  1
    second       0  1  0  1
    load         0  1  0  1
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.banks import BANKS
from hw.schedule import Timing

__all__ = ["Loader"]


class Loader(wiring.Component):
    """See the module.

    Parameters
    ----------
    layout, timing : the descriptor's layout and the engine's timing, with one read a channel.
    pixels, channels, words : P, C, and the depth of a bank.
    strided : a layer has stride 2. reads : the most that a layer needs for a channel.

    Members
    -------
    start : In, strobe one cycle before the first read; the descriptor is valid with it.
    descriptor : In, of the running layer.
    in_base : In, place of the layer's input map in each bank.
    address : Out, [3] read addresses; valid with ``read``.
    read : Out, a channel is read this cycle; ``lane`` is its place in the group and ``null``
        says that the map has no such channel. second : Out, it is read for the second time.
        load : Out, this is its last read.
    phase : Out, bank of the middle tile; first_rows, last_rows : Out(P), lanes whose windows
        reach over the map's first and last row. All valid with ``read``.
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
        reads: int,
    ):
        self.timing = timing
        self.channels = channels
        self.strided = strided
        self.reads = reads
        address = range(max(words, 2))
        super().__init__(
            {
                "start": In(1),
                "descriptor": In(layout),
                "in_base": In(address),
                "address": Out(data.ArrayLayout(Signal(address).shape(), BANKS)),
                "read": Out(1),
                "second": Out(1),
                "load": Out(1),
                "lane": Out(range(channels)),
                "null": Out(1),
                "phase": Out(range(BANKS)),
                "first_rows": Out(pixels),
                "last_rows": Out(pixels),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        d, timing = self.descriptor, self.timing
        active = Signal()
        tile = Signal.like(d.end_tile)
        group = Signal.like(d.last_group)
        channel = Signal.like(d.c_in + self.channels)
        pass_cycle = Signal.like(d.pass_end)
        step_cycle = Signal(range(timing.reading(self.reads).stride))
        step = Signal(range(timing.steps + 1))
        bases = Signal.like(self.address)
        middle = Signal.like(self.phase)  # bank of the first read's middle tile

        step_reads, stride = timing.step_reads, timing.stride
        if self.reads > 1:
            twice = timing.reading(2)
            step_reads = Mux(d.twice, twice.step_reads, step_reads)
            stride = Mux(d.twice, twice.stride, stride)
            self._read_twice(m, bases, channel, middle)
        else:
            m.d.comb += [self.load.eq(self.read), self.phase.eq(middle)]
            m.d.comb += [self.address[bank].eq(bases[bank] + channel) for bank in range(BANKS)]

        last_group = group == d.last_group
        pass_end = pass_cycle == d.pass_end
        m.d.comb += [
            self.read.eq(active & (step_cycle < step_reads) & (step < timing.steps)),
            self.null.eq(last_group & (self.lane >= d.last_channels)),
            self.first_rows.eq(Mux(tile == 0, d.first_rows, 0)),
            self.last_rows.eq(Mux(tile == d.bottom_tile, d.last_rows, 0)),
        ]

        with m.If(self.load):
            m.d.sync += [self.lane.eq(self.lane + 1), channel.eq(channel + 1)]
        with m.If(active):
            m.d.sync += [step_cycle.eq(step_cycle + 1), pass_cycle.eq(pass_cycle + 1)]
            with m.If((step_cycle == stride - 1) & (step < timing.steps)):
                m.d.sync += [step_cycle.eq(0), step.eq(step + 1)]
        with m.If(active & pass_end):
            m.d.sync += [pass_cycle.eq(0), step_cycle.eq(0), step.eq(0), self.lane.eq(0)]
            m.d.sync += group.eq(group + 1)
            with m.If(last_group):
                m.d.sync += [group.eq(0), channel.eq(0), tile.eq(tile + 1)]
                m.d.sync += active.eq(tile != d.end_tile)
                self._move_on(m, bases, middle)
        with m.If(self.start):
            m.d.sync += [signal.eq(0) for signal in (tile, group, channel, middle)]
            m.d.sync += [signal.eq(0) for signal in (pass_cycle, step_cycle, step, self.lane)]
            m.d.sync += active.eq(1)
            m.d.sync += [bases[0].eq(self.in_base), bases[1].eq(self.in_base)]
            # The first advance of the last bank brings it to the map's first row.
            m.d.sync += bases[2].eq(self.in_base - d.c_in)
        return m

    def _move_on(self, m: Module, bases, middle: Signal) -> None:
        """To the middle tile of the next pass: one, two or four tiles further."""
        d = self.descriptor
        up, down = Mux(middle == BANKS - 1, 0, middle + 1), Mux(middle == 0, BANKS - 1, middle - 1)
        further = Mux(d.twice, d.c_in << 1, d.c_in) if self.reads > 1 else d.c_in
        m.d.sync += middle.eq(Mux(d.strided & ~d.twice, down, up) if self.strided else up)
        for bank in range(BANKS):
            # The bank of the tile above is the one before the middle tile's.
            with m.If(middle == (bank + 1) % BANKS):
                m.d.sync += bases[bank].eq(bases[bank] + further)
            if self.strided:
                with m.Elif((middle == bank) & d.strided):
                    m.d.sync += bases[bank].eq(bases[bank] + d.c_in)
            if self.reads > 1:
                with m.Elif((middle == (bank - 1) % BANKS) & d.twice):
                    m.d.sync += bases[bank].eq(bases[bank] + d.c_in)

    def _read_twice(self, m: Module, bases, channel: Signal, middle: Signal) -> None:
        """Addresses of first and second reads, in a layer that has such."""
        d = self.descriptor
        with m.If(self.read):
            m.d.sync += self.second.eq(d.twice & ~self.second)
        # The same channel a row of words further.
        ahead = Signal.like(d.c_in + channel)
        m.d.sync += ahead.eq(d.c_in + channel)
        m.d.comb += [
            self.load.eq(self.read & (self.second | ~d.twice)),
            # Two tiles further is one bank back.
            self.phase.eq(
                Mux(self.second, Mux(middle == 0, BANKS - 1, middle - 1), middle)
            ),
        ]
        for bank in range(BANKS):
            is_next = middle == (bank - 1) % BANKS
            place = Mux(self.second & ~is_next, ahead, channel)
            m.d.comb += self.address[bank].eq(bases[bank] + place)
