"""From a board's design to a netlist of its part's cells, with Yosys."""

import json
from collections.abc import Collection
from pathlib import Path

from amaranth.hdl import Elaboratable

from hw.boards import Board
from hw.flow.mapping import mapping
from hw.flow.progress import Stage
from hw.flow.tools import YOSYS, run_tool
from hw.flow.xc7.risks import Risk

__all__ = ["DESIGN", "elaborate", "read_netlist", "synthesise"]

DESIGN = "top"


def elaborate(board: Board, top: Elaboratable, folder: Path) -> None:
    """Write ``top.il`` (RTLIL) and the board's constraint file (``top.xdc``, ``top.lpf``).

    For Xilinx parts ``top.tcl`` too, Vivado's script.
    """
    plan = board.platform().build(top, name=DESIGN, do_build=False, emit_src=False)
    plan.extract(folder)
    for leftover in folder.glob(f"build_{DESIGN}.*"):
        leftover.unlink()


def synthesise(
    board: Board, folder: Path, stage: Stage, avoid: Collection[Risk] = frozenset()
) -> dict:
    """Make ``top.v`` (Verilog source) and ``top.json`` (netlist) of ``top.il``.

    ``avoid`` is what the netlist must be free of (`hw.flow.mapping`).

    Returns Yosys's statistics of the flattened netlist. Raises CheckError when Yosys fails.
    """
    script = (
        f"read_rtlil {DESIGN}.il\n"
        "proc -nomux -norom\n"
        "memory_collect\n"
        f"write_verilog -norename {DESIGN}.v\n"
        "design -reset\n"
        f"read_rtlil {DESIGN}.il\n"
        f"{mapping(board.family, DESIGN, avoid=avoid)}\n"
        # Cells of no function, and the older of the open routers stop at them.
        "delete t:$scopeinfo\n"
        f"tee -q -o {DESIGN}.stat.json stat -json\n"
        f"write_json {DESIGN}.json\n"
    )
    (folder / f"{DESIGN}.ys").write_text(script)
    run_tool(YOSYS, ["-q", f"{DESIGN}.ys"], folder, folder / f"{DESIGN}.yosys.log", stage)
    return json.loads((folder / f"{DESIGN}.stat.json").read_text())


def read_netlist(folder: Path) -> dict:
    """The netlist's top module: its ``cells`` and ``netnames`` as Yosys writes them."""
    return json.loads((folder / f"{DESIGN}.json").read_text())["modules"][DESIGN]
