"""Measures what `hw.flow.estimate` is fitted to: ``python -m hw.calibrate``.

Synthesises the digits network for a board of each family, every array and size of `MEASURED`, and
writes ``hw/flow/calibration.json`` anew. To be run again when the engine's area has changed (a
quarter of an hour on two cores, and as much again for the small parts), with ``--board`` only of
one.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fractions import Fraction

from hw.boards import ARTY_A7, ICEBREAKER, ULX3S_85F, find_board
from hw.compiler import compile_network
from hw.flow.estimate import CALIBRATION, shape_terms
from hw.flow.measured import measured
from hw.flow.progress import Progress
from model.errors import UserError, run_command
from model.files import write_text
from model.shipped import load_model

__all__ = ["MEASURED", "measure"]

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
SMALL_POINTS = ((8, 1, 0), (8, 2, 0))
MEASURED = {ARTY_A7.name: POINTS, ULX3S_85F.name: POINTS, ICEBREAKER.name: SMALL_POINTS}


def measure(board_name: str, pixels: int, channels: int, fill: int) -> dict:
    """One row of the calibration."""
    board = find_board(board_name)
    array = "shared" if fill else "direct"
    program = compile_network(
        load_model(MODEL), array=array, pixels=pixels, channels=channels, fill=fill or None
    )
    return {
        "family": board.family,
        "array": array,
        "pixels": pixels,
        "channels": channels,
        "fill": fill,
        "terms": shape_terms(program),
        "resources": asdict(measured(board, program, Fraction(board.default_clock_mhz))),
    }


def main() -> None:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m hw.calibrate", description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="default: every core")
    parser.add_argument("--board", metavar="NAME", help="measure its family anew, keep the others")
    options = parser.parse_args()
    if options.jobs < 1:
        raise UserError(f"--jobs must be at least 1, not {options.jobs}")
    if options.board and options.board not in MEASURED:
        raise UserError(f"--board must be one of {', '.join(MEASURED)}, not {options.board!r}")
    names = [options.board] if options.board else list(MEASURED)
    points = [(name, *point) for name in names for point in MEASURED[name]]
    families = {find_board(name).family for name in names}
    kept = json.loads(CALIBRATION.read_text("utf-8"))["rows"] if options.board else []
    rows = [row for row in kept if row["family"] not in families]
    before = len(rows)
    with Progress().stage("measuring") as stage, ProcessPoolExecutor(options.jobs) as pool:
        for row in pool.map(measure, *zip(*points, strict=True)):
            rows.append(row)
            stage.line = f"{len(rows) - before} of {len(points)} sizes"
    page = {"command": "python -m hw.calibrate", "model": MODEL, "rows": rows}
    write_text(CALIBRATION, json.dumps(page, indent=1) + "\n")


if __name__ == "__main__":
    run_command(main)
