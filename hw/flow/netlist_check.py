"""Cells of a 7-series netlist that open routers turn into wrong bits without a word.

What is known, from FASM files and the routers' issues (2026-09):

- DSP48E1: constant control inputs are lost, the silicon then ignores an operand (openXC7 #159).
- SRL16E, SRLC32E: contents garbled, or no wire for a cascade (openXC7 #106, #185).
- RAMB36E1 with a 9-bit port: every ninth bit reads 0 (openXC7 #94).
- LUTRAM with initial contents: all zero in mainline nextpnr (YosysHQ #1765).
"""

from collections import Counter
from collections.abc import Mapping

__all__ = ["risky_cells"]

_DSP = "DSP48E1: open routers lose constant control inputs (openXC7 #159)"
_SRL = "shift registers in LUTs (SRL): open routers garble their contents (openXC7 #106, #185)"
_RAMB36 = "RAMB36E1 with a 9-bit port: every ninth bit may read 0 (openXC7 #94)"
_LUTRAM = "LUTRAM with initial contents: mainline nextpnr clears it (YosysHQ #1765)"
_LUTRAM_TYPES = ("RAM16", "RAM32", "RAM64", "RAM128", "RAM256")
_WIDTHS = ("READ_WIDTH_A", "READ_WIDTH_B", "WRITE_WIDTH_A", "WRITE_WIDTH_B")


def risky_cells(module: Mapping) -> list[str]:
    """One line for each kind of risky cell in a netlist's module: how many, and what goes wrong."""
    found: Counter[str] = Counter()
    for cell in module["cells"].values():
        if risk := _risk(cell["type"], cell.get("parameters", {})):
            found[risk] += 1
    return [f"{count} x {risk}" for risk, count in sorted(found.items())]


def _risk(kind: str, parameters: Mapping) -> str | None:
    if kind.startswith("DSP48"):
        return _DSP
    if kind.startswith("SRL"):
        return _SRL
    if kind == "RAMB36E1" and any(_number(parameters.get(width, 0)) == 9 for width in _WIDTHS):
        return _RAMB36
    if kind.startswith(_LUTRAM_TYPES):
        contents = (str(v) for name, v in parameters.items() if name.startswith("INIT"))
        if any("1" in value for value in contents):
            return _LUTRAM
    return None


def _number(value: int | str) -> int:
    """A parameter of Yosys's JSON: a number, or a text of its bits."""
    return value if isinstance(value, int) else int(value, 2)
