"""A queue of packets in block RAM that shows a packet only when it is known to be right."""

from amaranth.hdl import Array, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.link.cobs import LAST_BYTE

__all__ = ["PacketBuffer"]

# Words of a RAMB18 with its ninth bits. No memory is larger: a RAMB36 has those, too, but loses
# them in one of the open routers (hw/flow/netlist_check.py).
BANK = 2048


class PacketBuffer(wiring.Component):
    """Holds ``depth`` bytes, a power of two, each with its mark: 9 bits, as block RAM has them.

    Members
    -------
    write, data : In, a byte of a packet that is being received; lost while ``full``.
    full : Out, there is no room.
    commit, drop : In, strobes without ``write``: keep what was written since the last strobe, or
        forget it.
    o : stream of `LAST_BYTE`, of committed packets, a byte a cycle. Registered behind the memory:
        block RAM is slow, and what takes the bytes looks at them at once.
    """

    def __init__(self, depth: int):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two from 2 on, not {depth}")
        self.depth = depth
        super().__init__(
            {
                "write": In(1),
                "data": In(LAST_BYTE),
                "full": Out(1),
                "commit": In(1),
                "drop": In(1),
                "o": Out(stream.Signature(LAST_BYTE)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # One bit more than an address: which time round.
        written, committed, taken = (
            Signal(range(2 * self.depth), name=name) for name in ("written", "committed", "taken")
        )
        fetch, put = Signal(), Signal()
        fetched, moved = Signal(), Signal()  # a byte is at the memory's output; and goes on
        m.d.comb += [
            self.full.eq(written == taken ^ self.depth),
            put.eq(self.write & ~self.full),
            moved.eq(fetched & (self.o.ready | ~self.o.valid)),
            fetch.eq((taken != committed) & (moved | ~fetched)),
        ]
        words = min(self.depth, BANK)
        banks = self.depth // words
        shift = exact_log2(words)
        shown = Signal(range(banks))
        outputs = []
        for number in range(banks):
            memory = Memory(shape=LAST_BYTE, depth=words, init=[])
            m.submodules[f"bytes{number}"] = memory
            writing, reading = memory.write_port(), memory.read_port()
            m.d.comb += [
                writing.addr.eq(written),
                writing.data.eq(self.data),
                writing.en.eq(put & (written[shift:-1] == number)),
                reading.addr.eq(taken),
                reading.en.eq(fetch),
            ]
            outputs.append(reading.data)
        with m.If(put):
            m.d.sync += written.eq(written + 1)
        with m.If(self.commit):
            m.d.sync += committed.eq(written)
        with m.If(self.drop):
            m.d.sync += written.eq(committed)
        with m.If(fetch):
            m.d.sync += [taken.eq(taken + 1), fetched.eq(1), shown.eq(taken[shift:-1])]
        with m.Elif(moved):
            m.d.sync += fetched.eq(0)
        with m.If(moved):
            m.d.sync += self.o.payload.eq(Array(Value.cast(data) for data in outputs)[shown])
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
