"""Measures what `hw.flow.estimate` is fitted to: ``python -m hw.calibrate`` (an hour on two cores).

Synthesises the digits network for every board, array and size of `POINTS`, and writes
``hw/flow/calibration.json`` anew. To be run again when the engine's area has changed.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

from hw.boards import BOARDS, Board
from hw.boards.top import BoardTop
from hw.compiler import compile_network
from hw.engine import Engine
from hw.flow.estimate import CALIBRATION, shape_terms
from hw.flow.netlist import elaborate, synthesise
from hw.flow.progress import Progress, Stage
from hw.flow.resources import count_cells
from hw.top import BoardCore
from model.errors import run_command
from model.shipped import load_model

__all__ = ["POINTS", "measure"]

MODEL = "digits"
# Pixels, channels, fill (0: the direct array): small and large, wide and deep.
POINTS = (
    (16, 8, 4),
    (64, 8, 4),
    (64, 16, 8),
    (32, 16, 4),
    (16, 8, 0),
    (32, 16, 0),
    (64, 8, 0),
    (32, 32, 0),
)


def measure(board: Board, pixels: int, channels: int, fill: int, stage: Stage) -> dict:
    """One row of the calibration."""
    array = "shared" if fill else "direct"
    program = compile_network(
        load_model(MODEL), array=array, pixels=pixels, channels=channels, fill=fill or None
    )
    clock_mhz = board.default_clock_mhz
    core = BoardCore(
        Engine(program),
        image_bytes=program.image_bytes,
        clock_hz=1e6 * clock_mhz,
        baud=1_000_000,
    )
    top = BoardTop(board, core, board.pll_settings(Fraction(clock_mhz)))
    with tempfile.TemporaryDirectory() as name:
        elaborate(board, top, Path(name))
        statistics = synthesise(board, Path(name), stage)
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
    parser.parse_args()
    progress = Progress()
    rows = []
    for board in BOARDS.values():
        for pixels, channels, fill in POINTS:
            title = f"{board.name}, {pixels} pixels, {channels} channels, fill {fill}"
            with progress.stage(title) as stage:
                rows.append(measure(board, pixels, channels, fill, stage))
    page = {"command": "python -m hw.calibrate", "model": MODEL, "rows": rows}
    CALIBRATION.write_text(json.dumps(page, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    run_command(main)
