"""A reset that lasts a few cycles, for parts whose configuration ends at no one moment."""

from amaranth.hdl import Module, Signal

__all__ = ["RESET_CYCLES", "started"]

RESET_CYCLES = 16


def started(m: Module) -> Signal:
    """Low in the first `RESET_CYCLES` cycles of domain sync, then high for good, resets or not.

    The end of configuration does not reach all flip-flops in the same cycle: what begins to work
    at once may do so from a state that nobody meant.
    """
    high = Signal(name="started", reset_less=True)
    count = Signal(range(RESET_CYCLES), reset_less=True)
    m.d.sync += [count.eq(count + 1), high.eq(high | count.all())]
    return high
