"""Write-back: gives every output word its bank and address, tile after tile.

Words come channel by channel; the last channel of a tile moves on to the next bank, and after
three tiles to the next row of words, as `hw.banks` lays maps out.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.banks import BANKS

__all__ = ["WriteBack"]


class WriteBack(wiring.Component):
    """See the module; combinational from ``channel`` to ``address``.

    Members
    -------
    start : In, strobe that begins a layer; base : In, place of its output map.
    valid, channel, last_channel : In, of an output word.
    bank, address, tile : Out, where the word goes and which tile it is.
    """

    def __init__(self, depth: int, channel_bits: int, tile_bits: int):
        address = range(max(depth, 2))
        super().__init__(
            {
                "start": In(1),
                "base": In(address),
                "valid": In(1),
                "channel": In(channel_bits),
                "last_channel": In(1),
                "bank": Out(range(BANKS)),
                "address": Out(address),
                "tile": Out(tile_bits),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        row_base = Signal.like(self.address)
        m.d.comb += self.address.eq(row_base + self.channel)
        with m.If(self.valid & self.last_channel):
            m.d.sync += [self.bank.eq(self.bank + 1), self.tile.eq(self.tile + 1)]
            with m.If(self.bank == BANKS - 1):
                m.d.sync += [self.bank.eq(0), row_base.eq(self.address + 1)]
        with m.If(self.start):
            m.d.sync += [self.bank.eq(0), self.tile.eq(0), row_base.eq(self.base)]
        return m
