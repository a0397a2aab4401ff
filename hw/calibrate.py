"""Measures what `hw.flow.estimate` is fitted to: ``python -m hw.calibrate``.

Synthesises the digits network for every board, array and size of `POINTS`, and writes
``hw/flow/calibration.json`` anew. To be run again when the engine's area has changed (a quarter
of an hour on two cores).
"""

import argparse
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

from hw.boards import BOARDS, find_board
from hw.boards.top import BoardTop
from hw.compiler import compile_network
from hw.engine import Engine
from hw.flow.estimate import CALIBRATION, shape_terms
from hw.flow.netlist import elaborate, synthesise
from hw.flow.progress import Progress, Stage
from hw.flow.resources import count_cells
from hw.top import BoardCore
from model.errors import UserError, run_command
from model.files import write_text
from model.shipped import load_model

__all__ = ["POINTS", "measure"]

MODEL = "digits"
# Pixels, channels, fill (0: the direct array): small and large, wide and deep.
POINTS = (
    (16, 8, 4),
    (64, 8, 4),
    (32, 16, 4),
    (32, 16, 8),
    (16, 32, 16),
    (64, 16, 8),
    (16, 8, 0),
    (32, 16, 0),
    (64, 8, 0),
)


def measure(board_name: str, pixels: int, channels: int, fill: int) -> dict:
    """One row of the calibration."""
    board = find_board(board_name)
    array = "shared" if fill else "direct"
    program = compile_network(
        load_model(MODEL), array=array, pixels=pixels, channels=channels, fill=fill or None
    )
    clock_mhz = board.default_clock_mhz
    core = BoardCore(
        Engine(program),
        clock_hz=1e6 * clock_mhz,
        baud=1_000_000,
    )
    top = BoardTop(board, core, board.pll_settings(Fraction(clock_mhz)))
    with tempfile.TemporaryDirectory() as name:
        elaborate(board, top, Path(name))
        statistics = synthesise(board, Path(name), Stage(name))
    return {
        "family": board.family,
        "array": array,
        "pixels": pixels,
        "channels": channels,
        "fill": fill,
        "terms": shape_terms(program),
        "resources": asdict(count_cells(statistics, board.family)),
    }


def main() -> None:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m hw.calibrate", description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="default: every core")
    options = parser.parse_args()
    if options.jobs < 1:
        raise UserError(f"--jobs must be at least 1, not {options.jobs}")
    points = [(name, *point) for name in BOARDS for point in POINTS]
    rows = []
    with Progress().stage("measuring") as stage, ProcessPoolExecutor(options.jobs) as pool:
        for row in pool.map(measure, *zip(*points, strict=True)):
            rows.append(row)
            stage.line = f"{len(rows)} of {len(points)} sizes"
    page = {"command": "python -m hw.calibrate", "model": MODEL, "rows": rows}
    write_text(CALIBRATION, json.dumps(page, indent=1) + "\n")


if __name__ == "__main__":
    run_command(main)
