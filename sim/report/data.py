"""The one data structure that every form of a report is made from: ``report.json``."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from hw.engine_program import Program
from hw.traffic import input_bits_written
from model.bits import TAPS
from model.network import Conv
from sim.outcome import Outcome
from sim.report.answers import answers
from sim.report.lanes import lanes_over_time
from sim.report.layers import layer_entries, share
from sim.report.origin import origin
from sim.report.setup import Setup

__all__ = ["build_report"]


def build_report(
    setup: Setup,
    program: Program,
    outcome: Outcome,
    images: np.ndarray,
    labels: np.ndarray | None,
    seconds: float,
    *,
    prepare_seconds: float = 0.0,
    class_names: Sequence[str] = (),
) -> dict:
    """Everything that a run of at least one image found out, as plain values.

    ``images`` uint8 [N, colours, H, W] and ``labels`` int64 [N] are those asked for; labels may be
    None. ``seconds`` is the whole run's time, ``prepare_seconds`` the part of it that made the
    simulator.

    Layers' cycles are those of the first image; ``cycle_problems`` lists every image and layer
    whose cycles are not as predicted. ``interval_cycles`` is the time from one result to the
    next once images follow each other (None for a single image), ``useful_share`` and ``lane_use``
    are shares of it; ``limit`` says what sets it, the computing or the loading of the pixels.
    ``first_result_cycles`` is the time from an idle engine's first pixel to the result.
    """
    parameters = program.parameters
    layers = layer_entries(program, outcome)
    total = sum(layer["cycles"] for layer in layers)
    computing = sum(layer["cycles"] for layer in layers if layer["kind"] != "head")
    applications = sum(layer["kernel_applications"] or 0 for layer in layers)
    interval = outcome.interval
    pace = interval or max(total, program.load_cycles)
    latency = int(outcome.batches[0].results[0]) + 1
    clock = setup.clock_mhz * 1e6
    return {
        **{key: value for key, value in asdict(setup).items() if key != "command"},
        "network": program.network.name,
        "tau": _taus(program),
        "antipodal": parameters.antipodal,
        "stored_bits": program.network.stored_bits,
        "asked_images": outcome.asked,
        "partial": not outcome.complete,
        "images": outcome.images,
        "mismatches": outcome.mismatches,
        **outcome.summary(),
        **answers(outcome, images, labels, class_names, setup.first_image),
        "total_cycles": total,
        "predicted_cycles": sum(layer.cycles for layer in outcome.predicted),
        "cycle_problems": outcome.cycle_problems,
        "layers": layers,
        "macs": sum(layer["macs"] for layer in layers),
        "kernel_applications": applications,
        "lane_use": share(applications, pace * parameters.kernel_applications),
        "useful_share": share(sum(layer["useful"] for layer in layers), pace),
        "interval_cycles": interval,
        "first_result_cycles": latency,
        "load_cycles": program.load_cycles,
        "limit": "loading" if program.load_cycles > computing else "computing",
        "images_per_second": round(clock / pace, 1),
        "latency_us": round(1e6 * latency / clock, 3),
        "index_bits_a_cycle": parameters.channels * parameters.tau,
        "index_bits_read": sum(layer["index_bits_read"] for layer in layers),
        "index_bits_fetched": sum(layer["index_bits_fetched"] for layer in layers),
        "activation_bits_read": sum(layer["activation_bits_read"] for layer in layers),
        "activation_bits_written": sum(layer["activation_bits_written"] for layer in layers),
        "input_bits_written": input_bits_written(program),
        "activation_bits_held": program.activation_bits,
        "stream_bits_held": program.stream_bits,
        "lanes": lanes_over_time(program, outcome),
        "simulated_cycles": outcome.total,
        "seconds": round(seconds, 2),
        "prepare_seconds": round(prepare_seconds, 2),
        "speed": _speed(program, outcome, seconds - prepare_seconds),
        **origin(setup.engine, setup.command),
    }


def _speed(program: Program, outcome: Outcome, seconds: float) -> dict:
    """What the simulation did a second, its preparation left out."""
    seconds = max(seconds, 1e-3)
    applications = sum(conv.macs for conv in program.network.convs) // TAPS
    return {
        "cycles_per_second": round(outcome.total / seconds),
        "kernel_applications_per_second": round(outcome.images * applications / seconds),
        "images_per_second": round(outcome.images / seconds, 3),
    }


def _taus(program: Program) -> list[int]:
    """Bits of an index, of each 3x3 convolution; without any, of the engine's."""
    convs = program.network.convs
    taus = {conv.tau for conv in convs if isinstance(conv, Conv)}
    return sorted(taus or {program.parameters.tau})
