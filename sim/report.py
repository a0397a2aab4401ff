"""The report of a simulation: ``report.json`` for programs, ``report.md`` for people."""

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from model.bits import TAPS
from model.errors import UserError
from model.files import git_commit, make_folder, write_text
from model.format import Network
from sim.cycles import rows
from sim.outcome import Outcome

__all__ = [
    "JSON",
    "MARKDOWN",
    "TENSORS",
    "Setup",
    "build_report",
    "prepare_folder",
    "write_report",
]

JSON, MARKDOWN, TENSORS = "report.json", "report.md", "tensors.npz"


@dataclass(frozen=True)
class Setup:
    """What was simulated: the names and sizes a report states and a reader needs to repeat it."""

    model: str
    dataset: str
    array: str
    pixels: int
    channels: int
    fill: int
    first_image: int
    seed: int
    stalls: bool
    command: str


def build_report(
    setup: Setup,
    network: Network,
    outcome: Outcome,
    labels: np.ndarray,
    seconds: float,
) -> dict:
    """Everything the run found out, as plain values.

    Layers' cycles are those of the first image; ``cycle_problems`` lists every image and layer
    whose cycles are not as predicted. ``interval_cycles`` is the time from one result to the
    next once images follow each other (None for a single image), ``useful_share`` the part of it
    in which the array does useful work.
    """
    layers = [
        asdict(row)
        | {
            "useful_share": _share(row.useful, row.cycles),
            "lane_use": _lane_use(setup, row.kind, row.macs, row.cycles),
        }
        for row in rows(outcome.predicted, outcome.first_image_cycles)
    ]
    total = sum(layer["cycles"] for layer in layers)
    useful = sum(layer["useful"] for layer in layers)
    macs = sum(layer["macs"] for layer in layers)
    interval = outcome.interval
    return {
        **{key: value for key, value in asdict(setup).items() if key != "command"},
        "tau": sorted({conv.tau for conv in network.convs}),
        "stored_bits": network.stored_bits,
        "images": outcome.images,
        "mismatches": outcome.mismatches,
        **outcome.summary(),
        "accuracy": float((outcome.labels == labels).mean()),
        "total_cycles": total,
        "predicted_cycles": sum(layer.cycles for layer in outcome.predicted),
        "cycle_problems": outcome.cycle_problems,
        "layers": layers,
        "macs": macs,
        "lane_use": _lane_use(setup, "", macs, interval or total),
        "useful_share": _share(useful, interval or total),
        "interval_cycles": interval,
        "first_result_cycles": int(outcome.batches[0].results[0]) + 1,
        "simulated_cycles": outcome.total,
        "seconds": round(seconds, 2),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in ("amaranth", "numpy")},
        },
        "commit": git_commit(),
        "command": setup.command,
    }


def prepare_folder(folder: Path) -> None:
    """Make the report's folder ready and remove what an earlier run left; raises UserError.

    A run that fails or is interrupted then leaves no report that could be taken for its own.
    """
    make_folder(folder)
    for name in (JSON, MARKDOWN, TENSORS):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{folder / name}: cannot be removed: {error.strerror}") from error


def write_report(report: dict, markdown: str, folder: Path) -> None:
    """Write ``report.json`` and ``report.md``; each appears whole or not at all."""
    write_text(folder / JSON, json.dumps(report, indent=2) + "\n")
    write_text(folder / MARKDOWN, markdown + "\n")


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _lane_use(setup: Setup, kind: str, macs: int, cycles: int) -> float | None:
    """MACs done for each one the array could have done; the head does not run on the array."""
    return None if kind == "head" else _share(macs, cycles * TAPS * setup.pixels * setup.channels)
