"""Plans how to add many bits with few LUTs: compressors of at most six inputs, in least number.

A **compressor** takes bits of weight 2^c and of 2^(c+1) and puts out their sum, two or three bits
from weight 2^c on. With at most six inputs every output is one LUT6. Some bits must be
complemented on demand, which takes a second input of the LUT: three of these go into one
compressor of the first level. What remains is planned by dynamic programming over the columns,
and takes the one or two left over where a LUT has an input to spare.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

__all__ = ["Compressor", "Plan", "plan"]

INPUTS = 6  # of a LUT
OUTPUTS = 3  # of a compressor
TALL = 9  # columns from this height on are compressed six by six without search

#: Shapes (bits of weight 1, bits of weight 2) of the compressors, by what they take.
_SHAPES = [
    (low, high)
    for low in range(2, INPUTS + 1)
    for high in range(INPUTS - low + 1)
    if low + 2 * high < 1 << OUTPUTS
]


@dataclass(frozen=True)
class Compressor:
    """Adds the bits ``low`` of its column and ``high`` of the next one up.

    ``outputs[k]`` is the number of the bit that it puts into column ``column + k``. ``level``
    counts the LUTs from the inputs to here. One bit in and one out: a complement on demand.
    """

    column: int
    low: tuple[int, ...]
    high: tuple[int, ...]
    outputs: tuple[int, ...]
    level: int


@dataclass
class Plan:
    """Compressors in an order in which each finds its inputs, and the bits of the sum.

    Bits are numbered: the inputs by column, in each those to complement on demand first, then
    the compressors' outputs. ``total[c]`` is bit c of the sum, None where it is always 0.
    """

    levels_of: list[int]
    columns: list[list[int]]
    flipped: set[int] = field(default_factory=set)
    compressors: list[Compressor] = field(default_factory=list)
    total: list[int | None] = field(default_factory=list)

    @property
    def levels(self) -> int:
        return max((gate.level for gate in self.compressors), default=0)

    @property
    def luts(self) -> int:
        """LUTs of one lane."""
        return sum(len(gate.outputs) for gate in self.compressors)

    def compress(self, column: int, low: list[int], high: list[int]) -> None:
        """Adds a compressor of these bits, which leave their columns."""
        for place, taken in ((column, low), (column + 1, high)):
            for bit in taken:
                self.columns[place].remove(bit)
        level = 1 + max(self.levels_of[bit] for bit in (*low, *high))
        count = (len(low) + 2 * len(high)).bit_length()
        outputs = []
        for place in range(column, min(column + count, len(self.columns))):
            bit = len(self.levels_of)
            self.levels_of.append(level)
            self.columns[place].append(bit)
            outputs.append(bit)
        self.compressors.append(Compressor(column, tuple(low), tuple(high), tuple(outputs), level))

    def choose(self, column: int, count: int, spare: int) -> list[int]:
        """The ``count`` earliest bits of a column, one to complement first if there are inputs.

        ``spare`` inputs of the LUT are left for complements. What finds none is complemented on
        its own.
        """
        if not count:
            return []
        waiting = [bit for bit in self.columns[column] if bit in self.flipped]
        while len(self.columns[column]) - len(waiting[spare:]) < count:
            self.flipped.discard(waiting[-1])
            self.compress(column, [waiting.pop()], [])
        chosen = waiting[:spare]
        self.flipped.difference_update(chosen)
        others = [bit for bit in self.columns[column] if bit not in waiting]
        others.sort(key=lambda bit: self.levels_of[bit])
        return (chosen + others)[:count]


@cache
def _fewest(column: int, heights: tuple[int, ...]) -> tuple[int, tuple]:
    """Fewest LUTs that leave one bit in each column from ``column`` on, and the shapes in turn."""
    if column == len(heights):
        return 0, ()
    if heights[column] <= 1:
        return _fewest(column + 1, heights)
    best = None
    for low, high in _SHAPES:
        if low > heights[column] or (high and high > sum(heights[column + 1 : column + 2])):
            continue
        after = list(heights)
        after[column] -= low
        if high:
            after[column + 1] -= high
        outputs = min((low + 2 * high).bit_length(), len(heights) - column)
        for place in range(outputs):
            after[column + place] += 1
        luts, shapes = _fewest(column, tuple(after))
        if best is None or luts + outputs < best[0]:
            best = luts + outputs, ((column, low, high), *shapes)
    assert best is not None
    return best


@cache
def plan(flipped: Sequence[int], plain: Sequence[int], width: int) -> Plan:
    """The plan of a sum of ``width`` bits (read it, do not change it).

    Parameters
    ----------
    flipped, plain : for each weight 2^0, 2^1, ... the number of bits to be complemented on
        demand and of others; tuples of one length, at most ``width``.
    """
    columns, count = [], 0
    for number in (*map(sum, zip(flipped, plain, strict=True)), *[0] * (width - len(plain))):
        columns.append(list(range(count, count + number)))
        count += number
    result = Plan([0] * count, columns)
    for column, number in enumerate(flipped):
        bits = columns[column][:number]
        while len(bits) >= INPUTS // 2:
            result.compress(column, bits[:3], [])
            del bits[:3]
        result.flipped.update(bits)
    for column in range(width):
        while len(columns[column]) >= TALL:
            result.compress(column, result.choose(column, INPUTS, 0), [])
    for column, low, high in _fewest(0, tuple(map(len, columns)))[1]:
        spare = INPUTS - low - high
        bits = result.choose(column, low, spare)
        result.compress(column, bits, result.choose(column + 1, high, 0))
    for column, left in enumerate(columns):
        for bit in result.flipped.intersection(left):
            result.compress(column, [bit], [])
    result.total = [column[0] if column else None for column in columns]
    return result
