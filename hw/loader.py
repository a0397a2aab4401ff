"""Loader: walks tiles, groups and channels, and reads each channel's words for the array.

It runs ahead of the issuer and needs no handshake: passes begin ``pass_cycles`` apart, and
within a pass steps of F channels begin ``stride`` cycles apart::

    pass_cycle   0 1 .. F-1   ...   stride ..           ...   pass_cycles-1
    channel      0 1 .. F-1         F  F+1 .. 2F-1

Addresses need no division: the three banks' row bases are registers, and moving on by one tile
advances one of them, that of the bank which held the tile above.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.banks import BANKS
from hw.schedule import Timing

__all__ = ["Loader"]


class Loader(wiring.Component):
    """See the module.

    Members
    -------
    start : In, strobe one cycle before the first read; the descriptor is valid with it.
    descriptor : In, of the running layer.
    in_base : In, place of the layer's input map in each bank.
    address : Out, [3] read addresses; valid with ``read``.
    read : Out, a channel is read this cycle; ``lane`` is its place in the group and ``null``
        says that the map has no such channel.
    phase : Out, bank of the middle tile; first_rows, last_rows : Out(P), lanes in the map's
        first and last row. All valid with ``read``.
    """

    def __init__(
        self,
        layout: data.StructLayout,
        timing: Timing,
        *,
        pixels: int,
        channels: int,
        words: int,
    ):
        self.timing = timing
        self.channels = channels
        address = range(max(words, 2))
        super().__init__(
            {
                "start": In(1),
                "descriptor": In(layout),
                "in_base": In(address),
                "address": Out(data.ArrayLayout(Signal(address).shape(), BANKS)),
                "read": Out(1),
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
        step_cycle = Signal(range(timing.stride))
        step = Signal(range(timing.steps + 1))
        bases = Signal.like(self.address)

        last_group = group == d.last_group
        pass_end = pass_cycle == d.pass_end
        m.d.comb += [
            self.read.eq(active & (step_cycle < timing.step_channels) & (step < timing.steps)),
            self.null.eq(last_group & (self.lane >= d.last_channels)),
            self.first_rows.eq(Mux(tile == 0, d.first_rows, 0)),
            self.last_rows.eq(Mux(tile == d.bottom_tile, d.last_rows, 0)),
        ]
        m.d.comb += [self.address[bank].eq(bases[bank] + channel) for bank in range(BANKS)]

        with m.If(self.read):
            m.d.sync += [self.lane.eq(self.lane + 1), channel.eq(channel + 1)]
        with m.If(active):
            m.d.sync += [step_cycle.eq(step_cycle + 1), pass_cycle.eq(pass_cycle + 1)]
            with m.If((step_cycle == timing.stride - 1) & (step < timing.steps)):
                m.d.sync += [step_cycle.eq(0), step.eq(step + 1)]
        with m.If(active & pass_end):
            m.d.sync += [pass_cycle.eq(0), step_cycle.eq(0), step.eq(0), self.lane.eq(0)]
            m.d.sync += group.eq(group + 1)
            with m.If(last_group):
                m.d.sync += [group.eq(0), channel.eq(0), tile.eq(tile + 1)]
                m.d.sync += active.eq(tile != d.end_tile)
                m.d.sync += self.phase.eq(Mux(self.phase == BANKS - 1, 0, self.phase + 1))
                for bank in range(BANKS):
                    # The bank of the tile above is the one before the middle tile's.
                    with m.If(self.phase == (bank + 1) % BANKS):
                        m.d.sync += bases[bank].eq(bases[bank] + d.c_in)
        with m.If(self.start):
            m.d.sync += [signal.eq(0) for signal in (tile, group, channel, self.phase)]
            m.d.sync += [signal.eq(0) for signal in (pass_cycle, step_cycle, step, self.lane)]
            m.d.sync += active.eq(1)
            m.d.sync += [bases[0].eq(self.in_base), bases[1].eq(self.in_base)]
            # The first advance of the last bank brings it to the map's first row.
            m.d.sync += bases[2].eq(self.in_base - d.c_in)
        return m
