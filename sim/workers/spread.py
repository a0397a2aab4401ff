"""Runs the batches of a run: in this process, in several, or on a Dask cluster."""

from collections.abc import Sequence

from sim.batches import Batch, Job
from sim.workers.cluster import run_on_cluster
from sim.workers.processes import run_in_processes
from sim.workers.results import OnProgress, Results
from sim.workers.serial import run_serially

__all__ = ["run_all"]


def run_all(
    job: Job,
    batches: Sequence[Batch],
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    on_progress: OnProgress = lambda cycles, images, differing: None,
) -> Results:
    """Simulate all batches; the results are the same, in the order of the images, in each way.

    ``jobs`` processes of this machine, or the workers of the Dask cluster whose scheduler listens
    at ``scheduler`` ("tcp://host:8786"). ``on_progress`` gets the totals over all workers: cycles
    simulated, images compared, values that differ. Ctrl-C returns, within about a second, what
    was done until then; a second one raises KeyboardInterrupt. Raises the exception of the first
    batch that failed, and UserError where the workers are at fault.
    """
    if scheduler is not None:
        return run_on_cluster(job, batches, scheduler, on_progress)
    if min(jobs, len(batches)) > 1:
        return run_in_processes(job, batches, jobs, on_progress)
    return run_serially(job, batches, on_progress)
