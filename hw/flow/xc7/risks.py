"""What open routers for 7-series turn into wrong bits without a word, by version.

From FASM files, the routers' sources and their issues (2026-09). "Fork" is openXC7's
nextpnr-xilinx, "mainline" YosysHQ's nextpnr-himbaechel; a fork that names no version may be any.

=====  ====================================================  =========================  ============
risk   what goes wrong                                       fork                       mainline
=====  ====================================================  =========================  ============
DSP    constant control inputs of a DSP48E1 are lost, the    all (openXC7 #159)         all
       silicon then ignores an operand
SRL    a shift register in a LUT starts from zeros           until 0.9.5 (#106, #185)   all
ODD    RAMB36E1 with a port of 1 or 9 bits: every ninth      until 0.9.0 (#94)          all
       bit reads 0
WIDE   block RAM with its widest port (RAMB36E1 72 bits,     0.9.0 to 0.9.2 (#150)      none
       RAMB18E1 36): half of each word is lost
TABLE  LUTRAM with contents: all of them are zero            none                       all (#1765)
CARRY  a carry chain whose first carry is a signal (CYINIT   0.9.0 to 0.9.2 (source     none
       of a CARRY4 with CI 0): the carry is 0                of pack_carry_xc7.cc)
=====  ====================================================  =========================  ============
"""

import re
from enum import StrEnum

__all__ = ["Risk", "risks_of_fork", "risks_of_mainline"]


class Risk(StrEnum):
    """A kind of cell, and what becomes of it; see the module."""

    DSP = "DSP48E1: open routers lose constant control inputs (openXC7 #159)"
    SRL = "shift registers in LUTs (SRL): open routers garble their contents (openXC7 #106, #185)"
    ODD = "RAMB36E1 with a 1- or 9-bit port: every ninth bit may read 0 (openXC7 #94)"
    WIDE = "block RAM with a 72- or 36-bit port: half of a word may be lost (openXC7 #150)"
    TABLE = "LUTRAM with initial contents: mainline nextpnr clears it (YosysHQ #1765)"
    CARRY = "CARRY4 with a signal as its first carry: nextpnr-xilinx 0.9.0 to 0.9.2 takes 0 for it"


# The fork's first release without the risk, and the first with it.
_SINCE = {Risk.WIDE: (0, 9, 0), Risk.CARRY: (0, 9, 0)}
_FIXED = {
    Risk.SRL: (0, 9, 6),
    Risk.ODD: (0, 9, 1),
    Risk.WIDE: (0, 9, 3),
    Risk.CARRY: (0, 9, 3),
    Risk.TABLE: (0, 0, 0),
}


def risks_of_fork(version: str) -> frozenset[Risk]:
    """What openXC7's nextpnr-xilinx of that version gets wrong; of none that can be read, all."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    if not found:
        return frozenset(Risk) - {Risk.TABLE}
    release = tuple(int(part or 0) for part in found.groups())
    return frozenset(
        risk
        for risk in Risk
        if _SINCE.get(risk, (0,)) <= release and (risk not in _FIXED or release < _FIXED[risk])
    )


def risks_of_mainline() -> frozenset[Risk]:
    """What nextpnr-himbaechel gets wrong, by all that was known in 2026-09."""
    return frozenset({Risk.DSP, Risk.SRL, Risk.ODD, Risk.TABLE})
