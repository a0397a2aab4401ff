"""Activation memory: three banks, so that a tile and its two neighbours are read at once.

Tile ``t`` of a map lies in bank ``t % 3``; within its bank, word ``(t // 3) * channels + c``
behind the map's base holds channel ``c``. Where rows are cut into ``n`` tiles (see
`hw.maps.layout`), tile ``k`` of row ``t`` lies in bank ``t % 3`` too, at ``((t // 3) * n + k) *
channels + c``. A read presents one address a bank and gets three words two cycles later: block RAM
is slow, so what it gives is registered. Reads and writes never meet in one word:
a layer reads one map while it writes another.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["BANKS", "BankedMemory"]

BANKS = 3


class BankedMemory(wiring.Component):
    """Three memories of ``depth`` words of ``pixels`` bits; one read of all, one write to one.

    Members
    -------
    read_address : In, [3] addresses, one a bank.
    read_data : Out, [3] words, two cycles after the address.
    write_valid, write_bank, write_address, write_data : In; readable from the next cycle on.
    """

    latency = 2

    def __init__(self, pixels: int, depth: int):
        self.pixels = pixels
        self.depth = max(depth, 2)
        address = range(self.depth)
        super().__init__(
            {
                "read_address": In(data.ArrayLayout(_width(address), BANKS)),
                "read_data": Out(data.ArrayLayout(pixels, BANKS)),
                "write_valid": In(1),
                "write_bank": In(range(BANKS)),
                "write_address": In(address),
                "write_data": In(pixels),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        for bank in range(BANKS):
            memory = Memory(shape=self.pixels, depth=self.depth, init=[])
            m.submodules[f"bank{bank}"] = memory
            read, write = memory.read_port(), memory.write_port()
            m.d.comb += [
                read.addr.eq(self.read_address[bank]),
                write.addr.eq(self.write_address),
                write.data.eq(self.write_data),
                write.en.eq(self.write_valid & (self.write_bank == bank)),
            ]
            m.d.sync += self.read_data[bank].eq(read.data)
        return m


def _width(values: range) -> int:
    return Signal(values).shape().width
