"""The head's multipliers, cycles and memory contents, without its circuit (`hw.heads.counted`)."""

from collections.abc import Sequence

import numpy as np

__all__ = ["SHARE", "WEIGHT_BITS", "head_cycles", "head_words", "offset_words", "units_needed"]

WEIGHT_BITS = 8
SHARE = 10  # of the other layers' cycles, a tenth
# From a group's last channel to the comparison of its first class, and from that of the last
# class to the result.
_COMPLETE, _HAND_OVER = 4, 1


def head_cycles(classes: int, channels: int, units: int) -> int:
    """Cycles from ``finish`` to the result, with so many multipliers."""
    walk = (classes // units - 1) * max(channels, units) + channels
    return walk + _COMPLETE + units + _HAND_OVER


def units_needed(classes: int, channels: int, cycles: int) -> int:
    """The fewest multipliers that are done within a tenth of so many cycles; one a class if none
    are.

    Within all of them would do where images follow each other; a single image waits for its head.
    """
    divisors = (units for units in range(1, classes + 1) if classes % units == 0)
    fast = (u for u in divisors if SHARE * head_cycles(classes, channels, u) <= cycles)
    return next(fast, classes)


def head_words(weight: np.ndarray, units: int) -> tuple[int, ...]:
    """Words of the weights' memory, in order of use, from int [classes, channels].

    A word holds a channel's weights of ``units`` classes, the lowest one at bit 0.
    """
    groups = weight.astype(np.int64).reshape(-1, units, weight.shape[1])
    return tuple(_packed(column, WEIGHT_BITS) for group in groups for column in group.T)


def offset_words(offsets: np.ndarray, units: int, score_bits: int) -> tuple[int, ...]:
    """Words of the offsets' memory, those of ``units`` classes in each."""
    return tuple(_packed(group, score_bits) for group in offsets.reshape(-1, units))


def _packed(values: Sequence[int], width: int) -> int:
    mask = (1 << width) - 1
    return sum((int(value) & mask) << width * place for place, value in enumerate(values))
