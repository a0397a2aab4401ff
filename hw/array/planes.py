"""Bits of all lanes side by side: windows cut into bit planes, and planes turned into numbers.

A **plane** is a P-bit value, bit i of it belonging to lane i. The arrays compute on planes: one
statement works on all lanes, which keeps both the source and Python's simulation of it short. The
two components here only rename wires. They are components because the simulator then evaluates
these long concatenations on their own, once a cycle.
"""

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.params import KERNEL_BITS

__all__ = ["LaneNumbers", "TapPlanes", "flipped"]


def flipped(plane: Value, flip: Value | None) -> Value:
    """The plane, complemented in all lanes where the single bit ``flip`` is set."""
    return plane if flip is None else Mux(flip, ~plane, plane)


class TapPlanes(wiring.Component):
    """Nine planes, one a tap, of windows that hold lane i, tap t at bit 9 * i + t.

    ``planes`` holds the plane of tap t at P * t. ``odd`` is a plane of the windows' parities.
    """

    def __init__(self, pixels: int):
        self.pixels = pixels
        super().__init__(
            {
                "windows": In(KERNEL_BITS * pixels),
                "planes": Out(KERNEL_BITS * pixels),
                "odd": Out(pixels),
            }
        )

    def elaborate(self, platform):
        m = Module()
        planes = (self.windows[tap::KERNEL_BITS] for tap in range(KERNEL_BITS))
        m.d.comb += self.planes.eq(Cat(planes))
        # In a module of its own, it waits for the planes instead of being evaluated with them.
        m.submodules.parity = parity = Module()
        taps = [self.planes.word_select(tap, self.pixels) for tap in range(KERNEL_BITS)]
        parity.d.comb += self.odd.eq(reduce(xor, taps))
        return m


class LaneNumbers(wiring.Component):
    """The numbers of P lanes whose bit b is the plane ``plane_{b}``."""

    def __init__(self, pixels: int, shape):
        self.pixels, self.shape = pixels, shape
        members = {f"plane_{b}": In(pixels) for b in range(shape.width)}
        super().__init__(members | {"numbers": Out(data.ArrayLayout(shape, pixels))})

    @property
    def planes(self) -> list[Value]:
        return [getattr(self, f"plane_{b}") for b in range(self.shape.width)]

    def elaborate(self, platform):
        m = Module()
        bits = (plane[lane] for lane in range(self.pixels) for plane in self.planes)
        m.d.comb += self.numbers.as_value().eq(Cat(bits))
        return m
