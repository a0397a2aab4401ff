"""Bits of all lanes side by side: windows cut into bit planes, and planes turned into numbers.

A **plane** is a P-bit value, bit i of it belonging to lane i. The arrays compute on planes: one
statement works on all lanes, which keeps both the source and Python's simulation of it short.
"""

from amaranth.hdl import Cat, Mux, Value

from hw.params import KERNEL_BITS

__all__ = ["flipped", "lane_numbers", "tap_planes"]


def tap_planes(windows: Value) -> list[Value]:
    """The nine planes of windows that hold lane i, tap t at bit 9 * i + t."""
    return [windows[tap::KERNEL_BITS] for tap in range(KERNEL_BITS)]


def lane_numbers(planes: list[Value]) -> Value:
    """The numbers whose bit b is ``planes[b]``, lane 0 lowest, as one vector."""
    lanes = len(planes[0])
    return Cat(plane[lane] for lane in range(lanes) for plane in planes)


def flipped(plane: Value, flip: Value | None) -> Value:
    """The plane, complemented in all lanes where the single bit ``flip`` is set."""
    return plane if flip is None else Mux(flip, ~plane, plane)
