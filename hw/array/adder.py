"""Adds many bits in every lane, with the compressors of a plan and registers between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array.plan import Plan, plan
from hw.array.planes import flipped

__all__ = ["AdderShape", "PlaneAdder"]

DEEPEST = 4  # LUTs in a row between two registers


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


def _compress(low: Sequence[Value], high: Sequence[Value]) -> list[Value]:
    """Bits of (set bits of ``low``) + 2 (set bits of ``high``), at most 7."""
    total = _count(low)
    if not high:
        return total
    upper = _count([*total[1:2], *high])
    if len(total) == 3:
        # Five low bits leave room for one high bit only.
        return [total[0], upper[0], total[2] ^ upper[1]]
    return [total[0], *upper]


@dataclass(frozen=True)
class AdderShape:
    """What a `PlaneAdder` adds, and in which stages.

    The first ``barriers`` levels of compressors have a register each: across a register logic
    synthesis rearranges nothing, so that a compressor's output stays one LUT6. The levels after
    them are few LUTs in a long row and share registers, at most ``DEEPEST`` levels each.

    Members
    -------
    flipped, plain : number of bits of weight 2^0, 2^1, ... with a complement on demand, without.
    width : bits of a sum; the sums must fit.
    barriers : levels with a register of their own.
    """

    flipped: tuple[int, ...]
    plain: tuple[int, ...]
    width: int
    barriers: int = 3

    @property
    def plan(self) -> Plan:
        return plan(self.flipped, self.plain, self.width)

    @property
    def latency(self) -> int:
        """Cycles from the bits to their sums."""
        return self.stage(self.plan.levels) + 1

    def stage(self, level: int) -> int:
        """The stage that computes a level; its results are registered at the stage's end."""
        if level <= self.barriers:
            return max(level - 1, 0)
        rest = self.plan.levels - self.barriers
        depth = ceil(rest / ceil(rest / DEEPEST))
        return self.barriers + (level - self.barriers - 1) // depth


class PlaneAdder(wiring.Component):
    """Sums of weighted bits in P lanes, each bit a plane of P.

    cycle | s      | ... | s + latency
    bits  | sample |     |
    sums  |        |     | of this sample

    Members
    -------
    flipped_{c}, plain_{c} : In, planes of weight 2^c side by side, where there are any.
    flips_{c} : In, one bit a plane of flipped_{c}: complements it in all lanes.
    sum_{c} : Out(P), plane c of the sums.

    Parameters
    ----------
    pixels : lanes P.
    shape : AdderShape.
    """

    def __init__(self, pixels: int, shape: AdderShape):
        self.pixels, self.shape = pixels, shape
        members = {f"sum_{c}": Out(pixels) for c in range(shape.width)}
        for c, (some, others) in enumerate(zip(shape.flipped, shape.plain, strict=True)):
            if some:
                members |= {f"flipped_{c}": In(some * pixels), f"flips_{c}": In(some)}
            if others:
                members[f"plain_{c}"] = In(others * pixels)
        super().__init__(members)

    @property
    def sums(self) -> list[Value]:
        """Planes of the sums, the lowest bit first."""
        return [getattr(self, f"sum_{c}") for c in range(self.shape.width)]

    def elaborate(self, platform):
        m = Module()
        shape = self.shape
        # The plane of each bit in the stages in which it has been used, and its flip.
        planes: list[dict[int, Value]] = []
        flips: dict[int, dict[int, Value]] = {}
        for c, (some, others) in enumerate(zip(shape.flipped, shape.plain, strict=True)):
            for place in range(some):
                flips[len(planes)] = {0: getattr(self, f"flips_{c}")[place]}
                planes.append({0: getattr(self, f"flipped_{c}").word_select(place, self.pixels)})
            for place in range(others):
                planes.append({0: getattr(self, f"plain_{c}").word_select(place, self.pixels)})

        def at(known: dict[int, Value], stage: int, name: str) -> Value:
            """A bit in a stage, delayed there where it is older."""
            if stage not in known:
                known[stage] = Signal.like(known[min(known)], name=f"{name}_{stage}")
                m.d.sync += known[stage].eq(at(known, stage - 1, name))
            return known[stage]

        def plane_in(number: int, stage: int) -> Value:
            plane = at(planes[number], stage, f"bit{number}")
            flip = flips.get(number)
            return flipped(plane, None if flip is None else at(flip, stage, f"flip{number}"))

        rows: dict[int, Module] = {}
        for gate in shape.plan.compressors:
            stage = shape.stage(gate.level)
            low = [plane_in(bit, stage) for bit in gate.low]
            high = [plane_in(bit, stage) for bit in gate.high]
            for number, value in zip(gate.outputs, _compress(low, high), strict=False):
                plane = Signal(self.pixels, name=f"bit{number}")
                if gate.level <= shape.barriers:
                    m.d.sync += plane.eq(value)
                    planes.append({stage + 1: plane})
                    continue
                # A module of their own: Python's simulator evaluates it alone, again and again.
                if stage not in rows:
                    rows[stage] = m.submodules[f"row{stage}"] = Module()
                rows[stage].d.comb += plane.eq(value)
                planes.append({stage: plane})
        for c, number in enumerate(shape.plan.total):
            total = 0 if number is None else plane_in(number, shape.latency)
            m.d.comb += getattr(self, f"sum_{c}").eq(total)
        return m
