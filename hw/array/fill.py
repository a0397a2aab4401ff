"""The fill unit: one window's responses to all codewords, one codeword a cycle, in all lanes."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array.codebook import CodebookMemory
from hw.array.interface import HALF_BITS
from hw.array.planes import flipped
from hw.params import KERNEL_BITS, ArrayParameters

__all__ = ["FillUnit"]

ROW = 3  # taps of a kernel's row


def _row_count(agree: list[Value]) -> tuple[Value, Value]:
    """Parity and carry of the agreements of three taps."""
    a, b, c = agree
    return a ^ b ^ c, (a & b) | (c & (a ^ b))


class FillUnit(wiring.Component):
    """Walks the codebook for the window of one channel in each of P lanes.

    cycle          | t     | t + 1 | t + 2 | ... | t + 1 + entries
    start          | 1     |       |       |     |
    write, channel |       | 1     | 1     |     |  (one cycle ahead of halves and address)
    halves         |       |       | e = 0 |     | e = entries - 1
    address        |       |       | 0     |     | entries - 1

    A window that was loaded before ``start`` (the same cycle is too late) is walked from then
    on; the next one may be loaded meanwhile. Starts are ``entries`` or more cycles apart. A
    table written with ``halves`` at ``address`` answers ``latency`` cycles after the start for
    entry 0, and one entry more a cycle. ``walked_prefix`` is the ``prefix`` that came with the
    window that ``write`` belongs to.

    halves are h = p >> 1, bit planes in turn; of p, the agreements, the low bit is the window's
    business: ``low`` = 1 xor parity(window), which is p's low bit for a codeword of even parity.
    With an antipodal codebook, whose entries are even, it spares the parity of the third row: of
    the rows' low bits the carry is then (low ? and : or) of any two.

    Parameters
    ----------
    parameters : ArrayParameters, array "shared".
    """

    latency = 3

    def __init__(self, parameters: ArrayParameters):
        self.parameters = parameters
        pixels, entries = parameters.pixels, parameters.entries
        super().__init__(
            {
                "enable": In(1),
                "write_address": In(range(entries)),
                "write_data": In(KERNEL_BITS),
                "load": In(1),
                "channel": In(range(parameters.channels)),
                "window": In(KERNEL_BITS * pixels),
                "low": In(pixels),
                "prefix": In(pixels),
                "null": In(1),
                "start": In(1),
                "write": Out(1),
                "write_channel": Out(range(parameters.channels)),
                "address": Out(range(entries)),
                "halves": Out(HALF_BITS * pixels),
                "walked_prefix": Out(pixels),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.parameters
        m.submodules.codebook = codebook = CodebookMemory(p.entries)
        m.d.comb += [
            codebook.enable.eq(self.enable),
            codebook.write_address.eq(self.write_address),
            codebook.write_data.eq(self.write_data),
        ]

        # The window that waits for its step to be complete, and the one being walked.
        loaded = (self.window, self.low, self.prefix, self.null, self.channel)
        waiting = [Signal.like(value, name=f"waiting{n}") for n, value in enumerate(loaded)]
        with m.If(self.load):
            m.d.sync += [keep.eq(value) for keep, value in zip(waiting, loaded, strict=True)]
        window = Signal.like(self.window)
        low = Signal.like(self.low)
        null = Signal()
        walked = (window, low, self.walked_prefix, null, self.write_channel)
        with m.If(self.start):
            m.d.sync += [keep.eq(value) for keep, value in zip(walked, waiting, strict=True)]

        # Idle, the walk rests at entry 0, whose kernel so waits for the window.
        entry = Signal(range(p.entries))
        walking = Signal()
        kernel = Signal(KERNEL_BITS)
        address = Signal.like(entry)
        m.d.comb += [walking.eq(self.start | (entry != 0)), codebook.address.eq(entry)]
        m.d.sync += [
            entry.eq(entry + walking),
            self.write.eq(walking),
            kernel.eq(codebook.data),
            address.eq(entry),
            self.address.eq(address),
            self.halves.eq(Mux(null, 0, self._halves(window, kernel, low))),
        ]
        return m

    def _halves(self, window: Signal, kernel: Signal, low: Signal) -> Value:
        p = self.parameters
        agree = [
            flipped(window.word_select(tap, p.pixels), ~kernel[tap]) for tap in range(KERNEL_BITS)
        ]
        rows = [_row_count(agree[start : start + ROW]) for start in range(0, KERNEL_BITS, ROW)]
        (s0, c0), (s1, c1), (s2, c2) = rows
        third = ~low if p.antipodal else s2
        carry = (s0 & s1) | (third & (s0 | s1))
        ones, twos = c0 ^ c1 ^ c2, (c0 & c1) | (c2 & (c0 ^ c1))
        return Cat(ones ^ carry, twos ^ (ones & carry), twos & ones & carry)
