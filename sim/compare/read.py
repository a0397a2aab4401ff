"""Reads a report and refuses what is no basis for a comparison, in one line."""

import json
from pathlib import Path

from model.errors import UserError
from sim.report import JSON

__all__ = ["read_report"]

# What every report of sim.run had from the beginning, and what a comparison needs.
FIRST = {"layers", "total_cycles", "mismatches", "pixels"}
NEEDED = FIRST | {
    "accuracy", "activation_bits_read", "antipodal", "array", "asked_images", "channels",
    "clock_mhz", "command", "commit", "cycle_problems", "dataset", "engine", "fill", "first_image",
    "images", "images_per_second", "index_bits_read", "index_buffer", "index_port",
    "interval_cycles", "kernel_applications", "lane_use", "lanes", "latency_us", "limit", "model",
    "partial", "predicted_cycles", "stalls", "stored_bits", "tau", "useful_share",
}  # fmt: skip
LAYER_NEEDED = {
    "bound", "c_in", "c_out", "cycles", "drain", "fill", "height", "index_bits_read",
    "index_bits_stored", "kind", "lane_use", "name", "pool", "stall", "useful", "width",
}  # fmt: skip


def read_report(place: Path) -> dict:
    """The report in a file, or in the folder that holds one.

    Raises UserError for a file that is missing, broken or no report of a simulation, for reports
    of older versions, of runs that did not reach their end, and of runs in which a value or a
    cycle count was wrong.
    """
    path = place / JSON if place.is_dir() else place
    try:
        report = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is damaged: no JSON in it") from error
    if not isinstance(report, dict) or not report.keys() >= FIRST:
        raise UserError(f"{path}: is no report of sim.run")
    again = f"run it again: {report.get('command', 'python -m sim.run')}"
    layers = report["layers"]
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise UserError(f"{path}: is damaged: its layers are no list of layers")
    missing = NEEDED - report.keys()
    missing |= {key for layer in layers for key in LAYER_NEEDED - layer.keys()}
    if missing or not layers:
        what = f"it lacks {min(missing)}" if missing else "it has no layers"
        raise UserError(f"{path}: is of an older version ({what}): {again}")
    if report["partial"]:
        raise UserError(
            f"{path}: is partial, {report['images']} of {report['asked_images']} images: {again}"
        )
    if report["mismatches"]:
        raise UserError(
            f"{path}: {report['mismatches']} values differ from the golden model, so its cycles "
            "are those of a broken engine"
        )
    if report["cycle_problems"]:
        raise UserError(
            f"{path}: cycle counts are not as predicted, {report['cycle_problems'][0]}"
        )
    return report
