"""A serial line, 8 data bits, no parity, 1 stop bit: bytes in, bytes out."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["MIN_BIT_CYCLES", "UartReceiver", "UartTransmitter", "bit_cycles"]

MIN_BIT_CYCLES = 4
MAX_RATE_ERROR = 0.02
DATA_BITS = 8


def bit_cycles(clock_hz: float, baud: float) -> int:
    """Clock cycles of one bit on the line.

    Raises ValueError where the nearest whole number is fewer than 4 cycles, or more than 2 % off:
    a receiver that samples mid-bit bears about 5 % over the ten bits, both ends together.
    """
    if baud <= 0 or clock_hz <= 0:
        raise ValueError(f"baud and clock must be positive, not {baud} and {clock_hz}")
    cycles = round(clock_hz / baud)
    if cycles < MIN_BIT_CYCLES:
        raise ValueError(
            f"baud {baud:.0f} is too fast for a clock of {clock_hz / 1e6:g} MHz: "
            f"at most {clock_hz / MIN_BIT_CYCLES:.0f}"
        )
    if abs(clock_hz / cycles - baud) > MAX_RATE_ERROR * baud:
        raise ValueError(
            f"baud {baud:.0f} cannot be had within {MAX_RATE_ERROR:.0%} from a clock of "
            f"{clock_hz / 1e6:g} MHz; the nearest is {clock_hz / cycles:.0f}"
        )
    return cycles


class UartReceiver(wiring.Component):
    """Bytes from the line, each sampled in the middle of its bits.

    A start bit that is gone by its middle was a glitch and is ignored. A byte without its stop
    bit is dropped, and the line must go high before the next start bit counts. The line cannot
    wait: a byte that is complete before the last one was taken is dropped too.

    Parameters
    ----------
    divisor : clock cycles a bit, at least 4; see `bit_cycles`.

    Members
    -------
    rx : the pin, asynchronous, high when idle. Its synchroniser is inside (2 cycles).
    o : stream of received bytes, each offered once its stop bit has been sampled.
    framing_error, overflow : high for one cycle for every byte that was dropped.
    """

    rx: In(1, init=1)
    o: Out(stream.Signature(unsigned(DATA_BITS)))
    framing_error: Out(1)
    overflow: Out(1)

    def __init__(self, divisor: int):
        if divisor < MIN_BIT_CYCLES:
            raise ValueError(f"divisor must be at least {MIN_BIT_CYCLES}, not {divisor}")
        self.divisor = divisor
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = cdc.FFSynchronizer(self.rx, line, init=1)

        timer = Signal(range(self.divisor))
        byte = Signal(DATA_BITS)
        place = Signal(range(DATA_BITS))
        sample = Signal()
        m.d.comb += sample.eq(timer == 0)
        m.d.sync += timer.eq(timer - 1)

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        with m.FSM():
            with m.State("IDLE"), m.If(~line):
                # The edge was seen a cycle ago at the earliest: count to the middle from there.
                m.d.sync += timer.eq(self.divisor // 2 - 1)
                m.next = "START"
            with m.State("START"), m.If(sample):
                m.d.sync += [timer.eq(self.divisor - 1), place.eq(0)]
                m.next = "DATA"
                with m.If(line):
                    m.next = "IDLE"
            with m.State("DATA"), m.If(sample):
                m.d.sync += [
                    timer.eq(self.divisor - 1),
                    byte.eq(Cat(byte[1:], line)),
                    place.eq(place + 1),
                ]
                with m.If(place == DATA_BITS - 1):
                    m.next = "STOP"
            with m.State("STOP"), m.If(sample):
                m.next = "IDLE"
                with m.If(~line):
                    m.d.comb += self.framing_error.eq(1)
                    m.next = "BREAK"
                with m.Elif(self.o.valid & ~self.o.ready):
                    m.d.comb += self.overflow.eq(1)
                with m.Else():
                    m.d.sync += [self.o.payload.eq(byte), self.o.valid.eq(1)]
            with m.State("BREAK"), m.If(line):
                m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Bytes to the line; ten bits of ``divisor`` cycles each, back to back.

    Members
    -------
    i : stream of bytes, taken when the line is free: one in ``10 * divisor + 1`` cycles.
    tx : the pin, straight from a flip-flop, high when idle.
    """

    i: In(stream.Signature(unsigned(DATA_BITS)))
    tx: Out(1, init=1)

    def __init__(self, divisor: int):
        if divisor < MIN_BIT_CYCLES:
            raise ValueError(f"divisor must be at least {MIN_BIT_CYCLES}, not {divisor}")
        self.divisor = divisor
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self.divisor))
        # The bits still to send, lowest first; the one above the data is the stop bit.
        bits = Signal(DATA_BITS + 1)
        busy = Signal()
        m.d.comb += self.i.ready.eq(~busy)

        with m.If(~busy):
            with m.If(self.i.valid):
                m.d.sync += [
                    self.tx.eq(0),
                    bits.eq(self.i.payload | 1 << DATA_BITS),
                    timer.eq(self.divisor - 1),
                    busy.eq(1),
                ]
        with m.Elif(timer == 0):
            m.d.sync += [self.tx.eq(bits[0]), bits.eq(bits >> 1), timer.eq(self.divisor - 1)]
            with m.If(bits == 0):
                m.d.sync += [self.tx.eq(1), busy.eq(0)]
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
        return m
