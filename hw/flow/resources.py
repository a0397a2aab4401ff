"""Counts the cells of a synthesised netlist as a data sheet does: LUT, LUTRAM, FF, BRAM, DSP."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FAMILIES", "Resources", "count_cells"]

FAMILIES = ("xc7", "ecp5")


@dataclass(frozen=True)
class Resources:
    """What a netlist takes of its part.

    Members
    -------
    lut : LUTs in all (LUT6 on xc7, LUT4 on ecp5), those used as memory included.
    lutram : of these, the LUTs used as memory.
    ff : flip-flops.
    bram : block RAMs; BRAM36 on xc7 (a RAMB18 is half of one), 18 kbit DP16KD on ecp5.
    dsp : DSP48E1 on xc7, MULT18X18D on ecp5.
    """

    lut: int
    lutram: int
    ff: int
    bram: float
    dsp: int


def _same(weight: float, *names: str) -> dict[str, float]:
    return dict.fromkeys(names, weight)


# A carry chain (CARRY4) and the wide multiplexers (MUXF7, MUXF8) are no LUTs of their own: the LUTs
# beside them are cells too. CCU2C is different: it is two LUT4 with their carry. A DPR16X4 takes
# four LUT4 for its bits and two more of its slice triple as write port (nextpnr: "RAMW LUTs").
_WEIGHTS: dict[str, dict[str, dict[str, float]]] = {
    "xc7": {
        "logic": _same(1, "LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "LUT6_2", "INV"),
        "memory": {
            **_same(1, "RAM32X1S", "RAM64X1S", "RAM32X1S_1", "RAM64X1S_1", "SRL16E", "SRLC32E"),
            **_same(2, "RAM32X1D", "RAM64X1D", "RAM32X2S", "RAM128X1S", "RAM16X1D"),
            **_same(4, "RAM32M", "RAM64M", "RAM128X1D", "RAM256X1S"),
        },
        "ff": _same(1, "FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1"),
        "bram": {**_same(1, "RAMB36E1", "FIFO36E1"), **_same(0.5, "RAMB18E1", "FIFO18E1")},
        "dsp": _same(1, "DSP48E1"),
    },
    "ecp5": {
        "logic": {"LUT4": 1, "CCU2C": 2},
        "memory": {"TRELLIS_DPR16X4": 6},
        "ff": _same(1, "TRELLIS_FF"),
        "bram": _same(1, "DP16KD", "PDPW16KD"),
        "dsp": _same(1, "MULT18X18D"),
    },
}


def count_cells(stat: Mapping, family: str) -> Resources:
    """Resources of a netlist.

    Parameters
    ----------
    stat : what Yosys' ``stat -json`` prints, parsed. The design must be flattened.
    family : "xc7" or "ecp5", the family that it was synthesised for.

    Raises ValueError for an unknown family, KeyError where ``stat`` is no statistics.
    """
    if family not in _WEIGHTS:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
    cells = stat["design"]["num_cells_by_type"]

    def total(kind: str) -> float:
        return sum(weight * cells.get(name, 0) for name, weight in _WEIGHTS[family][kind].items())

    lutram = int(total("memory"))
    return Resources(
        lut=int(total("logic")) + lutram,
        lutram=lutram,
        ff=int(total("ff")),
        bram=total("bram"),
        dsp=int(total("dsp")),
    )
