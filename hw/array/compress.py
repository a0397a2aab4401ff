"""Adds many bits a lane with compressors of six inputs, a register behind each stage of them.

A compressor turns up to six bits of one weight into their count. Every bit of the count is a
function of at most six signals, hence one LUT6; the registers keep it that way, for they are a
border across which logic synthesis rearranges nothing. Where a bit has to be complemented on
demand (an XNOR with a kernel's bit, a sign), that signal is a second input of the same LUT:
three such bits go into one compressor and the complement costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from amaranth.hdl import Cat, Module, Signal, Value

from hw.array.planes import flipped

__all__ = ["Gate", "Plane", "add_planes", "plan", "stages"]

INPUTS = 6  # of a LUT
T = TypeVar("T")


@dataclass(frozen=True)
class Plane:
    """One bit of every lane; complemented in all lanes while the single bit ``flip`` is set."""

    bits: Value
    flip: Value | None = None

    @property
    def pins(self) -> int:
        return 1 if self.flip is None else 2

    def value(self) -> Value:
        return flipped(self.bits, self.flip)


@dataclass(frozen=True)
class Gate:
    """A compressor: ``taken`` bits of the column ``weight`` become ``outputs`` bits of a count.

    One bit taken and one put out is a register and nothing else.
    """

    weight: int
    taken: int
    outputs: int


def _next_stage(columns: Sequence[Sequence[int]]) -> list[Gate]:
    gates = []
    for weight, pins in enumerate(columns):
        rest = sorted(pins, reverse=True)
        while rest:
            taken = used = 0
            while taken < len(rest) and used + rest[taken] <= INPUTS:
                used += rest[taken]
                taken += 1
            if taken < 3:
                taken = 1
            elif taken == 4:
                taken = 3
            gates.append(Gate(weight, taken, taken.bit_length()))
            rest = rest[taken:]
    return gates


def _apply(gates: Sequence[Gate], columns: Sequence[list[T]], gate_function, width: int):
    """Columns after a stage; ``gate_function(gate, bits)`` gives the bits that a gate puts out."""
    left = [list(column) for column in columns]
    result: list[list[T]] = [[] for _ in range(width)]
    for gate in gates:
        bits = [left[gate.weight].pop(0) for _ in range(gate.taken)]
        for place, bit in enumerate(gate_function(gate, bits)[: gate.outputs]):
            if gate.weight + place < width:
                result[gate.weight + place].append(bit)
    return result


def plan(columns: Sequence[Sequence[int]], width: int) -> list[list[Gate]]:
    """Stages of compressors that leave at most two bits a column.

    Parameters
    ----------
    columns : for each weight 2^0, 2^1, ... the pins of its bits: 1, or 2 for one with a flip.
    width : bits of the sum; no count of a higher weight is formed.
    """
    result = []
    columns = [sorted(column, reverse=True) for column in columns]
    while any(len(column) > 2 for column in columns):
        gates = _next_stage(columns)
        columns = _apply(
            gates,
            columns,
            lambda gate, bits: bits if gate.taken == 1 else [1] * gate.outputs,
            width,
        )
        columns = [sorted(column, reverse=True) for column in columns]
        result.append(gates)
    return result


def stages(columns: Sequence[Sequence[int]], width: int) -> int:
    """Cycles that `add_planes` takes for bits of these pins: one a stage and one for the sum."""
    return len(plan(columns, width)) + 1


def _full_add(a: Value, b: Value, c: Value) -> tuple[Value, Value]:
    return a ^ b ^ c, (a & b) | (c & (a ^ b))


def _count(bits: Sequence[Value]) -> list[Value]:
    """Bits of the number of set bits among one to six, bitwise over the lanes."""
    if len(bits) == 1:
        return list(bits)
    if len(bits) == 2:
        return [bits[0] ^ bits[1], bits[0] & bits[1]]
    low, high = _full_add(*bits[:3])
    if len(bits) == 3:
        return [low, high]
    rest = _count(bits[3:])
    carry = low & rest[0]
    if len(bits) == 4:
        return [low ^ rest[0], high ^ carry, high & carry]
    return [low ^ rest[0], *_full_add(high, rest[1], carry)]


def _ripple(columns: Sequence[Sequence[Plane]], lanes: int) -> list[Value]:
    """Sum of columns of at most two bits, bitwise over the lanes."""
    total, carry = [], None
    for column in columns:
        bits = [plane.value() for plane in column]
        if carry is not None:
            bits.append(carry)
        carry = None
        if len(bits) > 1:
            low, carry = _count(bits)
            total.append(low)
        else:
            total.append(bits[0] if bits else Cat([0] * lanes))
    return total


def add_planes(m: Module, columns: Sequence[Sequence[Plane]], width: int) -> list[Signal]:
    """Planes of the sums of all lanes, ``stages`` cycles later; in domain sync of ``m``.

    ``columns[w]`` are the planes of weight 2^w; the sums must fit in ``width`` bits.
    """
    columns = [sorted(column, key=lambda plane: -plane.pins) for column in columns]
    lanes = len(columns[0][0].bits)

    def compress(gate: Gate, planes: Sequence[Plane]) -> list[Plane]:
        if gate.taken == 1:
            (plane,) = planes
            bits = Signal.like(plane.bits, name="kept")
            m.d.sync += bits.eq(plane.bits)
            if plane.flip is None:
                return [Plane(bits)]
            flip = Signal(name="kept_flip")
            m.d.sync += flip.eq(plane.flip)
            return [Plane(bits, flip)]
        counts = _count([plane.value() for plane in planes])
        result = []
        for place, count in enumerate(counts):
            bits = Signal(lanes, name=f"count{gate.weight + place}")
            m.d.sync += bits.eq(count)
            result.append(Plane(bits))
        return result

    for gates in plan([[plane.pins for plane in column] for column in columns], width):
        columns = _apply(gates, columns, compress, width)
        columns = [sorted(column, key=lambda plane: -plane.pins) for column in columns]
    sums = [Signal(lanes, name=f"sum{place}") for place in range(width)]
    for plane, bits in zip(sums, _ripple(columns, lanes), strict=True):
        m.d.sync += plane.eq(bits)
    return sums
