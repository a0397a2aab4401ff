"""What a program's whole board design takes, by Yosys."""

import tempfile
from fractions import Fraction
from pathlib import Path

from hw.boards import Board
from hw.boards.top import BoardTop
from hw.engine import Engine
from hw.engine_program import Program
from hw.flow.netlist import elaborate, read_netlist, synthesise
from hw.flow.progress import Stage
from hw.flow.resources import Resources, count_cells
from hw.top import BoardCore

__all__ = ["measured"]

BAUD = 1_000_000


def measured(board: Board, program: Program, clock_mhz: Fraction) -> Resources:
    """Resources of the netlist that `hw.build` would make.

    Raises UserError where Yosys is missing, CheckError where it fails.
    """
    core = BoardCore(
        Engine(program),
        clock_hz=float(1_000_000 * clock_mhz),
        baud=BAUD,
        smallest_buffer=board.smallest_buffer,
    )
    top = BoardTop(board, core, board.pll_settings(clock_mhz))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        elaborate(board, top, folder)
        statistics = synthesise(board, folder, Stage(name))
        return count_cells(statistics, board.family, read_netlist(folder))
