"""Places in a memory for what lives there for a while: what meets there must not overlap.

Time is counted in layers. Something that is written by layer 3 and read by layers 4 and 6 lives
from 3 to 6, the ends included, because a layer reads and writes all the time::

    layer    0  1  2  3  4            depth
    map 0    ====                     .---------.   map 1 hangs from the top,
    map 1       ====                  | 1  1  3 |   0 and 2 stand on the ground
    map 2          ====               | 0  2  2 |
    map 3             ====            '---------'

No depth is smaller than what lives at one time, at the worst time. Where every second map stands on
the ground and the others hang from the top of just this depth, and none overlap, no better places
exist: in a plain chain, where only neighbours meet, this is always so. Otherwise the largest maps
are placed first, each in the smallest gap that takes it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Span", "depth", "least_depth", "place"]


@dataclass(frozen=True)
class Span:
    """``words`` that are taken from layer ``first`` to layer ``last``, both included."""

    words: int
    first: int
    last: int

    def meets(self, other: "Span") -> bool:
        """Whether both live at some time."""
        return self.first <= other.last and other.first <= self.last


def least_depth(spans: Iterable[Span]) -> int:
    """The most words that live at one time."""
    spans = list(spans)
    times = {span.first for span in spans}
    return max(
        (sum(s.words for s in spans if s.first <= time <= s.last) for time in times), default=0
    )


def depth(spans: Sequence[Span], bases: Sequence[int]) -> int:
    """Words that a memory must have for these places."""
    return max((base + span.words for span, base in zip(spans, bases, strict=True)), default=0)


def place(spans: Sequence[Span]) -> list[int]:
    """A base for each span, given in the order of their beginnings."""
    top = least_depth(spans)
    alternating = [top - span.words if n % 2 else 0 for n, span in enumerate(spans)]
    if _apart(spans, alternating):
        return alternating
    by_size = sorted(range(len(spans)), key=lambda n: -spans[n].words)
    by_time = sorted(range(len(spans)), key=lambda n: -spans[n].words * _lifetime(spans[n]))
    found = (_fit(spans, order) for order in (by_size, by_time, range(len(spans))))
    return min(found, key=lambda bases: depth(spans, bases))


def _lifetime(span: Span) -> int:
    return span.last - span.first + 1


def _apart(spans: Sequence[Span], bases: Sequence[int]) -> bool:
    """Whether no two that meet overlap."""
    placed = list(zip(spans, bases, strict=True))
    return not any(
        one.meets(other) and base < base_other + other.words and base_other < base + one.words
        for n, (one, base) in enumerate(placed)
        for other, base_other in placed[:n]
    )


def _fit(spans: Sequence[Span], order: Iterable[int]) -> list[int]:
    """Each in turn in the smallest gap between what it meets, or above all of that."""
    bases: dict[int, int] = {}
    for number in order:
        span = spans[number]
        taken = sorted((bases[n], bases[n] + spans[n].words) for n in bases if spans[n].meets(span))
        ground, gaps = 0, []
        for begin, end in taken:
            if begin - ground >= span.words:
                gaps.append((begin - ground, ground))
            ground = max(ground, end)
        bases[number] = min(gaps)[1] if gaps else ground
    return [bases[number] for number in range(len(spans))]
