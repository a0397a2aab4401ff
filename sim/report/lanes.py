"""What the array's lanes did over the time of one image, once images follow each other."""

from itertools import chain, repeat

import numpy as np

from hw.bounds import wanted_lane_slots
from hw.engine_program import Program
from hw.sequencer import Phase
from sim.cycles import PHASES
from sim.outcome import BatchResult, Outcome

__all__ = ["BINS", "lanes_over_time"]

BINS = 120


def lanes_over_time(program: Program, outcome: Outcome, bins: int = BINS) -> dict | None:
    """The lanes' use in up to ``bins`` spans of time of equal length, None where no cycle is known.

    ``first_cycle`` and ``cycles`` are the piece of the simulation looked at: from the beginning of
    one image's computing to the next one's, of the last pair that the timeline holds; ``whole``
    is False where it ends before. Lists with a value a span: ``cycles_each``; in these, cycles by
    phase (``useful``, ``fill``, ``drain``, ``stall``, ``idle``); ``lane_slots``, how many lane
    slots had work in them, of ``slots_a_cycle``; ``layer``, the one with the most cycles.
    ``layers`` says from where to where each layer was at work, counted from ``first_cycle``.
    """
    batch = outcome.batches[0]
    begin, end, whole = _window(batch)
    timeline = np.asarray(batch.timeline[begin:end], np.int64)
    count = len(timeline)
    if not count:
        return None
    layer, phase = np.divmod(timeline, PHASES)
    idle = phase == Phase.IDLE.value
    place = np.arange(count) * min(bins, count) // count
    spans = int(place[-1]) + 1

    def totals(weights: np.ndarray) -> list[int]:
        return np.bincount(place, weights, minlength=spans).astype(int).tolist()

    names = [plan.name for plan in program.plans]
    by_layer = np.stack([totals((layer == n) & ~idle) for n in range(len(names))])
    most = np.where(by_layer.any(axis=0), by_layer.argmax(axis=0), -1)
    spots = [np.flatnonzero((layer == n) & ~idle) for n in range(len(names))]
    return {
        "first_cycle": begin,
        "cycles": count,
        "whole": whole,
        "slots_a_cycle": program.parameters.kernel_applications,
        "cycles_each": totals(np.ones(count)),
        **{p.name.lower(): totals(phase == p.value) for p in Phase},
        "lane_slots": totals(_work(program, layer, phase)),
        "layer": [names[n] if n >= 0 else None for n in most.tolist()],
        "layers": [
            {"name": name, "begin": int(spot[0]), "end": int(spot[-1]) + 1}
            for name, spot in zip(names, spots, strict=True)
            if len(spot)
        ],
    }


def _window(batch: BatchResult) -> tuple[int, int, bool]:
    """First cycle, last cycle + 1, and whether that is the whole of an image's time."""
    known = len(batch.timeline)
    if not len(batch.starts):
        return 0, 0, False
    ends = [*batch.starts[1:].tolist(), int(batch.results[-1]) + 1]
    pairs = list(zip(batch.starts.tolist(), ends, strict=True))
    # The last image's time does not end where another one's begins.
    steady = [pair for pair in pairs[:-1] or pairs if pair[1] <= known]
    if steady:
        return *steady[-1], True
    return pairs[0][0], known, False


def _work(program: Program, layer: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Lane slots with work in them, in each cycle; a layer's useful cycles in order of passes."""
    work = np.zeros(len(layer), np.int64)
    for number, plan in enumerate(program.plans):
        spots = np.flatnonzero((layer == number) & (phase == Phase.USEFUL.value))
        wanted = np.fromiter(
            chain.from_iterable(repeat(n, plan.c_out) for n in wanted_lane_slots(program, plan)),
            np.int64,
        )
        # A broken engine may take more cycles or fewer than the layer has.
        spots = spots[: len(wanted)]
        work[spots] = wanted[: len(spots)]
    return work
