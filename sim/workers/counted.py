"""Runs a batch and counts what it has done so far, for progress shown while it is under way."""

from collections.abc import Callable

from sim.batches import Batch, Job, run_batch
from sim.outcome import BatchResult

__all__ = ["run_counted"]


def run_counted(
    job: Job, batch: Batch, on_progress: Callable[[int, int, int], object]
) -> BatchResult:
    """`sim.batches.run_batch`; ``on_progress`` gets the batch's cycles simulated, images compared
    and differing values so far, and may raise `sim.verify.Stop`."""
    images = differing = 0

    def on_images(more: int, found: int) -> None:
        nonlocal images, differing
        images += more
        differing += found

    return run_batch(
        job,
        batch,
        on_images=on_images,
        on_progress=lambda cycles, results: on_progress(cycles, images, differing),
    )
