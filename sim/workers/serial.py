"""One batch after the other, in this process."""

import gc
import warnings
from collections.abc import Sequence

from amaranth.hdl import UnusedElaboratable

from sim.batches import Batch, Job
from sim.verify import Stop
from sim.workers.counted import run_counted
from sim.workers.interrupt import Cut, Interrupt
from sim.workers.results import Ledger, OnProgress, Results

__all__ = ["run_serially"]


def run_serially(job: Job, batches: Sequence[Batch], on_progress: OnProgress) -> Results:
    """Run all batches here; Ctrl-C ends the one under way with the images it has done."""
    ledger = Ledger(batches, on_progress)
    with Interrupt() as interrupt:

        def on_batch_progress(cycles: int, images: int, differing: int) -> None:
            interrupt.abrupt = False
            ledger.report(cycles, images, differing)
            if interrupt.asked:
                raise Stop

        while not interrupt.asked and (number := ledger.take()) is not None:
            # Amaranth's simulator takes a second or more to build, before it can ask.
            interrupt.abrupt = job.engine == "python"
            try:
                result = run_counted(job, batches[number], on_batch_progress)
            except Cut as cut:
                _forget(cut)
                break
            finally:
                interrupt.abrupt = False
            ledger.add(number, result)
            ledger.report()
    return ledger.results()


def _forget(cut: Cut) -> None:
    """Delete a half-built design, without Amaranth's warnings that its parts are never used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        warnings.simplefilter("ignore", RuntimeWarning)  # testbenches that were never started
        cut.__traceback__ = cut.__context__ = None
        gc.collect()
