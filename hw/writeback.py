"""Write-back: gives every output word its bank and address, tile after tile.

Words come channel by channel; the last channel of a row's last tile moves on to the next bank,
and after three banks to the next row of words, as `hw.maps.banks` lays maps out.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.maps.banks import BANKS

__all__ = ["WriteBack"]


class WriteBack(wiring.Component):
    """See the module; combinational from ``channel`` to ``address``.

    Members
    -------
    start : In, strobe that begins a layer; base : In, place of its output map; last_column : In,
        tiles that its rows are cut into (``columns`` at most), less one.
    valid, channel, last_channel : In, of an output word.
    bank, address, tile : Out, where the word goes and which tile it is; row_end : Out, it is the
        last of its row.
    """

    def __init__(self, depth: int, channel_bits: int, tile_bits: int, columns: int):
        self.columns = columns
        address = range(max(depth, 2))
        super().__init__(
            {
                "start": In(1),
                "base": In(address),
                "valid": In(1),
                "last_column": In(range(max(columns, 2))),
                "channel": In(channel_bits),
                "last_channel": In(1),
                "bank": Out(range(BANKS)),
                "address": Out(address),
                "tile": Out(tile_bits),
                "row_end": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        row_base = Signal.like(self.address)
        # Of this tile; while no row is cut, the same.
        base = Signal.like(self.address) if self.columns > 1 else row_base
        column = Signal(range(self.columns))
        m.d.comb += [
            self.address.eq(base + self.channel),
            self.row_end.eq(column == self.last_column),
        ]
        with m.If(self.valid & self.last_channel):
            m.d.sync += [self.tile.eq(self.tile + 1), column.eq(column + 1)]
            m.d.sync += base.eq(self.address + 1)
            with m.If(self.row_end):
                m.d.sync += [self.bank.eq(self.bank + 1), column.eq(0), base.eq(row_base)]
                with m.If(self.bank == BANKS - 1):
                    m.d.sync += [self.bank.eq(0), row_base.eq(self.address + 1)]
                    m.d.sync += base.eq(self.address + 1)
        with m.If(self.start):
            m.d.sync += [signal.eq(0) for signal in (self.bank, self.tile, column)]
            m.d.sync += [row_base.eq(self.base), base.eq(self.base)]
        return m
