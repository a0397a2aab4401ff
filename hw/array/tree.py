"""Adds numbers in every lane, each complemented on demand: a tree of carry chains.

A carry chain adds one plain operand and one that its LUTs may change on the way, so of two numbers
the right one is complemented for nothing. The left one is not: instead a node's value counts as
complemented **together with its leftmost number**, and the next node up puts that right::

      a0 ^ s0     a1     a2      a3          flips s0, s1, s2, s3
           \\     /         \\      /
      + (a1 ^ s1)         + (a3 ^ s2 ^ s3)   s: all bits of a number
              \\           /
              + (right ^ s2)

Only the very first number takes LUTs of its own for its flip. A complement is not a negation,
``~x = 2^width - 1 - x``: what the sum has too much of this depends on the flips alone, see
`excess`. (`hw.flow.mapping` sees to it that Yosys keeps the plain operand the plain one.)
"""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FlippedTree", "excess", "levels", "tree_bits"]


def levels(numbers: int) -> int:
    """Levels of the tree; each is a cycle. A single number has one, too."""
    return max((numbers - 1).bit_length(), 1)


def _widths(numbers: int, width: int) -> list[list[int]]:
    """Bits of the nodes of each level, from the numbers themselves up to the sum."""
    largest = [(1 << width) - 1] * numbers
    rows = [[width] * numbers]
    for level in range(levels(numbers)):
        pairs = zip(largest[::2], [*largest[1::2], *[0] * (len(largest) % 2)], strict=True)
        # The right one may be complemented: all its bits may be set.
        largest = [left + (1 << right.bit_length()) - 1 for left, right in pairs]
        if not level:
            for n in range(numbers // 2):
                largest[n] += 1  # the carry
        rows.append([value.bit_length() for value in largest])
    return rows


def tree_bits(numbers: int, width: int) -> int:
    """Bits of a sum of so many numbers."""
    return _widths(numbers, width)[-1][0]


def excess(flips: np.ndarray, width: int) -> np.ndarray:
    """What the tree makes of zeros, int64 [...]: sum = excess + (plain ones) - (flipped ones).

    A carry in counts as a number that is flipped with the left one of its chain (the first: never).

    flips : bool [..., numbers]; width : bits of a number.
    """
    flips = np.asarray(flips, bool)
    numbers = flips.shape[-1]
    values = [np.zeros(flips.shape[:-1], np.int64) for _ in range(numbers)]
    values[0] = flips[..., 0] * ((1 << width) - 1)
    frames = [flips[..., n] for n in range(numbers)]
    frames[0] = np.zeros_like(frames[0])
    for widths in _widths(numbers, width)[:-1]:
        for n in range(0, len(values) - 1, 2):
            turned = frames[n] ^ frames[n + 1]
            right = np.where(turned, (1 << widths[n + 1]) - 1 - values[n + 1], values[n + 1])
            values[n] = values[n] + right
        values, frames = values[::2], frames[::2]
    return values[0]


@dataclass(frozen=True)
class _Node:
    lanes: list[Value]
    flip: Value


class FlippedTree(wiring.Component):
    """Sums of numbers in P lanes; see the module.

    cycle        | s      | ... | s + latency
    inputs       | sample |     |
    sums         |        |     | of this sample

    Members
    -------
    number_{n} : In, [P] of ``width`` bits; flips : In, one bit a number, for all lanes.
    carries : In, numbers // 2 planes; plane n goes into the chain of numbers 2n and 2n + 1.
    sums : Out, [P] of ``tree_bits``.

    Parameters
    ----------
    pixels, numbers, width : lanes, numbers to add in each, bits of a number.
    """

    def __init__(self, pixels: int, numbers: int, width: int):
        self.pixels, self.widths = pixels, _widths(numbers, width)
        self.latency = levels(numbers)
        members = {f"number_{n}": In(data.ArrayLayout(width, pixels)) for n in range(numbers)}
        members["flips"] = In(numbers)
        members["carries"] = In(numbers // 2 * pixels)
        members["sums"] = Out(data.ArrayLayout(tree_bits(numbers, width), pixels))
        super().__init__(members)

    @property
    def numbers(self) -> list[data.View]:
        return [getattr(self, f"number_{n}") for n in range(len(self.flips))]

    def elaborate(self, platform) -> Module:
        m = Module()
        plain = Const(0, 1)
        nodes = [
            _Node([number[lane] for lane in range(self.pixels)], flip)
            for number, flip in zip(self.numbers, self.flips, strict=True)
        ]
        first = nodes[0]
        nodes[0] = _Node([_flipped(value, first.flip) for value in first.lanes], plain)
        for level, widths in enumerate(self.widths[1:]):
            above = []
            for place, width in enumerate(widths):
                left, *right = nodes[2 * place : 2 * place + 2]
                name = f"sum{level}_{place}"
                lanes = [Signal(width, name=f"{name}_{lane}") for lane in range(self.pixels)]
                values = left.lanes
                if right:
                    turn = left.flip ^ right[0].flip
                    # In a module of their own, they are met after the sums: see `hw.flow.mapping`.
                    turning = m.submodules[f"turning{level}_{place}"] = Module()
                    turned = [
                        Signal.like(value, name=f"turned{level}_{place}_{lane}")
                        for lane, value in enumerate(right[0].lanes)
                    ]
                    for value, source in zip(turned, right[0].lanes, strict=True):
                        turning.d.comb += value.eq(_flipped(source, turn))
                    values = [a + b for a, b in zip(left.lanes, turned, strict=True)]
                    if not level:
                        carry = self.carries.word_select(place, self.pixels)
                        pairs = zip(left.lanes, turned, carry, strict=True)
                        values = [_add_with_carry(a, b, c) for a, b, c in pairs]
                m.d.sync += [lane.eq(value) for lane, value in zip(lanes, values, strict=True)]
                flip = plain
                if place:
                    flip = Signal(name=f"flip{level}_{place}")
                    m.d.sync += flip.eq(left.flip)
                above.append(_Node(lanes, flip))
            nodes = above
        m.d.comb += [self.sums[n].eq(value) for n, value in enumerate(nodes[0].lanes)]
        return m


def _add_with_carry(a: Value, b: Value, carry: Value) -> Value:
    """a + b + carry, written so that one carry chain takes all three: see `hw.flow.mapping`."""
    return (Cat(carry, a) + Cat(carry, b))[1:]


def _flipped(value: Value, flip: Value) -> Value:
    return value ^ flip.replicate(len(value))
