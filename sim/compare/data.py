"""The one data structure that every form of a comparison is made from: ``compare.json``."""

from collections.abc import Sequence
from string import ascii_uppercase

from model.errors import UserError
from sim.report.words import shape_text

__all__ = ["QUANTITIES", "build_comparison"]

# Key, words, kind of number, and whether more of it is better (None: it depends).
QUANTITIES = (
    ("interval_cycles", "cycles from result to result", "count", False),
    ("total_cycles", "cycles of one image by itself", "count", False),
    ("images_per_second", "images a second", "count", True),
    ("latency_us", "first pixel to result, µs", "decimal", False),
    ("lane_use", "lane slots at work", "share", True),
    ("useful_share", "cycles with an index word", "share", True),
    ("index_bits_read", "index bits read an image", "count", False),
    ("stored_bits", "index bits stored", "count", False),
    ("activation_bits_read", "activation bits read an image", "count", False),
    ("accuracy", "accuracy", "share", True),
)
SETTINGS = (
    "model", "array", "pixels", "channels", "fill", "tau", "antipodal", "clock_mhz", "first_image",
    "images", "stalls", "limit", "engine", "index_port", "index_buffer", "commit", "command",
)  # fmt: skip
SHAPE = ("kind", "c_in", "c_out", "height", "width", "pool")
BY_LAYER = (
    "cycles", "useful", "fill", "drain", "stall", "lane_use", "index_bits_read",
    "index_bits_stored",
)  # fmt: skip


def build_comparison(reports: Sequence[dict], paths: Sequence[str], command: str) -> dict:
    """Reports side by side as plain values; the first is the base.

    Everything with a value a report is a list in the order of ``reports``, which are called A, B,
    C and so on. ``ratios`` are to the base, None where there is nothing to divide. ``notes`` say
    what a reader has to know about the figures.

    Raises UserError where the reports cannot be compared.
    """
    names = ascii_uppercase[: len(reports)]
    _check(reports, names)
    base = reports[0]
    quantities = []
    for key, words, kind, more_is_better in QUANTITIES:
        values = [report[key] for report in reports]
        if any(value is not None for value in values):
            ratios = [_ratio(value, values[0]) for value in values]
            quantities.append(
                {"key": key, "words": words, "kind": kind, "more_is_better": more_is_better,
                 "values": values, "ratios": ratios}
            )  # fmt: skip
    layers = []
    for number, layer in enumerate(base["layers"]):
        found = [report["layers"][number] for report in reports]
        layers.append(
            {key: layer[key] for key in ("name", *SHAPE)}
            | {key: [other[key] for other in found] for key in BY_LAYER}
            | {"bound": [other["bound"] and other["bound"]["kind"] for other in found]}
            | {"ratios": [_ratio(other["cycles"], layer["cycles"]) for other in found]}
        )
    return {
        "dataset": base["dataset"],
        "reports": [
            {"name": name, "path": path} | {key: report[key] for key in SETTINGS}
            for name, path, report in zip(names, paths, reports, strict=True)
        ],
        "different": [
            key for key in SETTINGS if any(report[key] != base[key] for report in reports)
        ],
        "notes": _notes(reports),
        "quantities": quantities,
        "layers": layers,
        "lanes": [report["lanes"] for report in reports],
        "command": command,
    }


def _check(reports: Sequence[dict], names: str) -> None:
    """Raises UserError for reports of different data sets or networks."""
    base = reports[0]
    for name, report in zip(names[1:], reports[1:], strict=True):
        if report["dataset"] != base["dataset"]:
            raise UserError(
                f"not comparable: A ran on {base['dataset']}, {name} on {report['dataset']}"
            )
        if len(report["layers"]) != len(base["layers"]):
            raise UserError(
                f"not comparable: A is a network of {len(base['layers'])} layers, {name} one of "
                f"{len(report['layers'])}"
            )
        for mine, other in zip(base["layers"], report["layers"], strict=True):
            if any(mine[key] != other[key] for key in SHAPE):
                raise UserError(
                    f"not comparable: layer {mine['name']} is {shape_text(mine)} in A and "
                    f"{other['name']} is {shape_text(other)} in {name}"
                )


def _notes(reports: Sequence[dict]) -> list[str]:
    """What makes figures less than equal, a sentence each."""
    base, notes = reports[0], []
    if any(report["clock_mhz"] != base["clock_mhz"] for report in reports):
        notes.append("Times and rates are each at the report's own clock.")
    places = ("first_image", "images")
    if any(report[key] != base[key] for report in reports for key in places):
        notes.append("Accuracies are over different images.")
    if any(report["interval_cycles"] is None for report in reports):
        notes.append("Of a single image it is not known how fast images follow each other.")
    if any(report["stalls"] for report in reports):
        notes.append("Random stalls slowed a run; only its cycles within layers are its own.")
    return notes


def _ratio(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else round(value / base, 4)
