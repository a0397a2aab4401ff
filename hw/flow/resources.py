"""Counts the cells of a synthesised netlist as a data sheet does: LUT, LUTRAM, FF, BRAM, DSP."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hw.link.identity import SMALLEST_BUFFER

__all__ = ["FAMILIES", "Resources", "count_cells", "line_buffer", "lone_flip_flops"]

FAMILIES = ("xc7", "ecp5", "ice40", "gowin", "gatemate")


@dataclass(frozen=True)
class Resources:
    """What a netlist takes of its part.

    Members
    -------
    lut : LUTs in all (LUT6 on xc7, LUT4 on others), those used as memory included; on ice40 logic
        cells, which a LUT4 or a flip-flop without one takes.
    lutram : of these, the LUTs used as memory.
    ff : flip-flops.
    bram : block RAMs; BRAM36 on xc7 (a RAMB18 is half of one), 18 kbit DP16KD on ecp5, 4 kbit
        SB_RAM40_4K on ice40, 18 kbit BSRAM on gowin.
    dsp : DSP48E1 on xc7, MULT18X18D on ecp5, SB_MAC16 on ice40, MULT18X18
        on gowin.
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
    "ice40": {
        "logic": {"SB_LUT4": 1},
        "memory": {},
        "ff": {
            f"SB_DFF{edge}{enable}{reset}": 1
            for edge in ("", "N") for enable in ("", "E") for reset in ("", "R", "S", "SR", "SS")
        },
        "bram": _same(1, "SB_RAM40_4K", "SB_RAM40_4KNR", "SB_RAM40_4KNW", "SB_RAM40_4KNRNW"),
        "dsp": _same(1, "SB_MAC16"),
    },
    "gowin": {
        "logic": _same(1, "LUT1", "LUT2", "LUT3", "LUT4", "ALU"),
        "memory": _same(4, "RAM16SDP1", "RAM16SDP2", "RAM16SDP4"),
        "ff": {
            f"DFF{edge}{kind}": 1
            for edge in ("", "N") for kind in ("", "E", "S", "SE", "R", "RE", "P", "PE", "C", "CE")
        },
        "bram": _same(1, "SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"),
        "dsp": _same(1, "MULT18X18"),
    },
    "gatemate": {
        "logic": {
            **_same(1, "CC_LUT1", "CC_LUT2", "CC_LUT3", "CC_LUT4", "CC_L2T4", "CC_ADDF", "CC_MX2"),
            **_same(2, "CC_L2T5", "CC_MX4"),
        },
        "memory": {},
        "ff": _same(1, "CC_DFF"),
        "bram": {"CC_BRAM_40K": 1, "CC_BRAM_20K": 0.5},
        "dsp": {},
    },
}


def line_buffer(family: str) -> int:
    """Bytes that a board's serial line buffers at least: what a block RAM holds in its 9-bit form,
    or two of an iCE40."""
    return 512 if family == "ice40" else SMALLEST_BUFFER


def lone_flip_flops(module: Mapping) -> int:
    """Flip-flops of an iCE40 netlist that take a logic cell each, whose LUT is then lost.

    The flip-flop of a logic cell takes what the cell's own LUT says: it shares the cell of a LUT
    that drives it and nothing else (nextpnr's rule).
    """
    readers: Counter = Counter()
    luts = set()
    data = []
    for cell in module["cells"].values():
        for port, bits in cell.get("connections", {}).items():
            if cell["port_directions"][port] == "input":
                readers.update(bits)
        if cell["type"] == "SB_LUT4":
            luts.update(cell["connections"]["O"])
        elif cell["type"].startswith("SB_DFF"):
            data += cell["connections"]["D"]
    for port in module["ports"].values():
        readers.update(port["bits"])
    return sum(bit not in luts or readers[bit] > 1 for bit in data)


def count_cells(stat: Mapping, family: str, module: Mapping | None = None) -> Resources:
    """Resources of a netlist.

    Parameters
    ----------
    stat : what Yosys' ``stat -json`` prints, parsed. The design must be flattened.
    family : one of `FAMILIES`, the one that it was synthesised for.
    module : the netlist's module, which ice40 needs for its logic cells; without, LUT4 are counted.

    Raises ValueError for an unknown family, KeyError where ``stat`` is no statistics.
    """
    if family not in _WEIGHTS:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
    cells = stat["design"]["num_cells_by_type"]

    def total(kind: str) -> float:
        return sum(weight * cells.get(name, 0) for name, weight in _WEIGHTS[family][kind].items())

    lutram = int(total("memory"))
    lone = lone_flip_flops(module) if family == "ice40" and module else 0
    return Resources(
        lut=int(total("logic")) + lutram + lone,
        lutram=lutram,
        ff=int(total("ff")),
        bram=total("bram"),
        dsp=int(total("dsp")),
    )
