"""Cells of a 7-series netlist that open routers turn into wrong bits without a word.

What goes wrong with which router is in `hw.flow.xc7.risks`.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from hw.flow.xc7.risks import Risk, risks_of_mainline

__all__ = ["risky_cells"]

_LUTRAM_TYPES = ("RAM16", "RAM32", "RAM64", "RAM128", "RAM256")
_PORTS = ("READ_WIDTH_A", "READ_WIDTH_B", "WRITE_WIDTH_A", "WRITE_WIDTH_B")
_WIDEST = {"RAMB36E1": 72, "RAMB18E1": 36}


def risky_cells(
    module: Mapping, risks: Collection[Risk] = risks_of_mainline()
) -> list[str]:
    """One line for each kind of risky cell in a netlist's module: how many, and what goes wrong.

    ``risks`` are those to look for: of the router at hand, or else of mainline nextpnr.
    """
    found: Counter[Risk] = Counter()
    for cell in module["cells"].values():
        found.update(risk for risk in _risks(cell) if risk in risks)
    return [f"{count} x {risk}" for risk, count in sorted(found.items())]


def _risks(cell: Mapping) -> list[Risk]:
    kind, parameters = cell["type"], cell.get("parameters", {})
    if kind.startswith("DSP48"):
        return [Risk.DSP]
    if kind.startswith("SRL"):
        return [Risk.SRL]
    if kind in _WIDEST:
        widths = {_number(parameters.get(port, 0)) for port in _PORTS}
        odd = kind == "RAMB36E1" and widths & {1, 9}
        return [Risk.ODD] * bool(odd) + [Risk.WIDE] * (_WIDEST[kind] in widths)
    if kind.startswith(_LUTRAM_TYPES):
        contents = (str(v) for name, v in parameters.items() if name.startswith("INIT"))
        return [Risk.TABLE] * any("1" in value for value in contents)
    if kind == "CARRY4":
        # A bit of a netlist is a number where it is a signal, a text where it is constant.
        first = cell.get("connections", {}).get("CYINIT", [])
        return [Risk.CARRY] * any(isinstance(bit, int) for bit in first)
    return []


def _number(value: int | str) -> int:
    """A parameter of Yosys's JSON: a number, or a text of its bits."""
    return value if isinstance(value, int) else int(value, 2)
