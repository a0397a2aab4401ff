"""Nine taps in a form from which a channel's agreements take four LUTs instead of six.

Complements on demand are differences, a tap agrees where x ^ f = 1 with f = ~k, and a difference's
parity needs no LUT of its own: parity(x ^ f) = parity(x) ^ parity(f). So the parities of a window
are computed when it is loaded, once for all index words, and those of a kernel once for all lanes:
what a lane has to compute for three taps is their carry alone, in one LUT6. The three rows' low
bits are such differences, too::

    agreements = (parity(x) ^ parity(f)) + 2 (c0 + c1 + c2 + c3)
    c0, c1, c2 : carries of the rows' taps      c3 : carry of the rows' low bits

A triple is held as any three bits that determine it: the first two rows as two taps and their
parity, the rows' low bits as two of them and the parity of all nine.
"""

from collections.abc import Sequence
from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Value

from hw.array.planes import flipped
from hw.params import KERNEL_BITS

__all__ = ["CARRIES", "ROW_FORM_BITS", "agreement_carries", "flips_form", "row_form"]

ROW = 3  # taps of a kernel's row, and rows
ROW_FORM_BITS = KERNEL_BITS + 1
CARRIES = 4  # a channel's bits of weight 2


def row_form(taps: Sequence[Value]) -> list[Value]:
    """Two rows as (first tap, second tap, parity), the last as its taps, the parity of all nine.

    taps : nine planes, or nine bits. The form of a complement is the form's complement.
    """
    first, second, last = (taps[start : start + ROW] for start in range(0, KERNEL_BITS, ROW))
    low, high = reduce(xor, first), reduce(xor, second)
    return [*first[:2], low, *second[:2], high, *last, reduce(xor, last, low ^ high)]


def flips_form(kernel: Value) -> Value:
    """The row form of a kernel's complement, ``ROW_FORM_BITS`` bits."""
    return Cat(row_form([~tap for tap in kernel]))


def _carry(a: Value, b: Value, c: Value) -> Value:
    return (a & b) | (c & (a | b))


def agreement_carries(window: Sequence[Value], flips: Sequence[Value]) -> list[Value]:
    """The planes c0 to c3 of a channel, from the row forms of its window and of its flips.

    window : ``ROW_FORM_BITS`` planes. flips : as many bits, for all lanes.
    """
    bits = [flipped(plane, flip) for plane, flip in zip(window, flips, strict=True)]
    a, b, low, d, e, high, *last, parity = bits
    return [
        _carry(a, b, a ^ b ^ low),
        _carry(d, e, d ^ e ^ high),
        _carry(*last),
        _carry(low, high, low ^ high ^ parity),
    ]
