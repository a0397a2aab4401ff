"""Nine taps in a form from which a channel's agreements take four LUTs instead of six.

Complements on demand are differences, a tap agrees where x ^ f = 1 with f = ~k, and a difference's
parity needs no LUT of its own: parity(x ^ f) = parity(x) ^ parity(f). So the parities of a window
are computed when it is loaded, once for all index words, and those of a kernel once for all lanes:
what a lane has to compute for three taps is their carry alone, in one LUT6. The three rows' low
bits are such differences, too::

    agreements = (parity(x) ^ parity(f)) + 2 (c0 + c1 + c2 + c3)
    c0, c1, c2 : carries of the rows' taps      c3 : carry of the rows' low bits

A row is held as its first two taps and its parity, which still determine the third.
"""

from collections.abc import Sequence
from functools import reduce
from operator import xor

from amaranth.hdl import Value

from hw.array.planes import flipped
from hw.params import KERNEL_BITS

__all__ = ["CARRIES", "ROW_FORM_BITS", "agreement_carries", "row_form"]

ROW = 3  # taps of a kernel's row, and rows
ROW_FORM_BITS = KERNEL_BITS + 1
CARRIES = 4  # a channel's bits of weight 2


def row_form(taps: Sequence[Value]) -> list[Value]:
    """Three times (first tap, second tap, parity of the row), then the parity of all nine.

    taps : nine planes, or nine bits. The form of a complement is the form's complement.
    """
    form, parities = [], []
    for start in range(0, KERNEL_BITS, ROW):
        row = taps[start : start + ROW]
        parities.append(reduce(xor, row))
        form += [*row[:2], parities[-1]]
    return [*form, reduce(xor, parities)]


def _carry(a: Value, b: Value, c: Value) -> Value:
    return (a & b) | (c & (a | b))


def agreement_carries(window: Sequence[Value], flips: Sequence[Value]) -> list[Value]:
    """The planes c0 to c3 of a channel, from the row forms of its window and of its flips.

    window : ``ROW_FORM_BITS`` planes. flips : as many bits, for all lanes.
    """
    bits = [flipped(plane, flip) for plane, flip in zip(window, flips, strict=True)]
    rows = [bits[start : start + ROW] for start in range(0, KERNEL_BITS, ROW)]
    carries = [_carry(a, b, a ^ b ^ low) for a, b, low in rows]
    return [*carries, _carry(*(low for _, _, low in rows))]
