"""What runs on the workers of a Dask cluster."""

import hashlib
import socket
import threading
from dataclasses import replace
from pathlib import Path

from model.errors import UserError
from sim.batches import Batch, Job, prepare
from sim.compiled.toolchain import missing
from sim.outcome import BatchResult
from sim.verify import Stop
from sim.workers.counted import run_counted

__all__ = ["fingerprint", "hold", "simulate"]

ROOT = Path(__file__).parents[2]
PACKAGES = ("hw", "model", "sim")
SUFFIXES = (".py", ".cpp")

# Compiled simulators of the runs that this process works for, by a run's token.
_libraries: dict[str, Path] = {}
_building = threading.Lock()


def fingerprint() -> str:
    """A hash of this project's code, its tests left out: equal where results are sure to be."""
    digest = hashlib.sha256()
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*"))
    for file in sorted(files):
        if file.suffix in SUFFIXES and not file.name.startswith(("test_", "conftest")):
            digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def hold(job: Job) -> Job:
    """The job as a result, which Dask hands from worker to worker, and makes again when lost."""
    return job


def simulate(job: Job, batch: Batch, token: str) -> BatchResult:
    """A batch of the run called ``token``; ends early when nobody waits for it any more.

    Raises what `sim.batches.run_batch` raises, and UserError where this machine lacks the tools
    to compile the simulator.
    """
    # Dask is an optional extra, and where this runs it is there.
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def on_progress(cycles: int, images: int, differing: int) -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise Stop

    if job.engine == "compiled":
        job = replace(job, library=_library(job, token))
    return run_counted(job, batch, on_progress)


def _library(job: Job, token: str) -> Path:
    """This machine's compiled simulator: the client's where that is the same machine, else from
    the cache, or built now; looked for once a run and process."""
    with _building:
        if token not in _libraries:
            if job.library and job.library.exists():
                _libraries[token] = job.library
            elif problem := missing():
                raise UserError(f"Dask worker on {socket.gethostname()}: {problem}")
            else:
                _libraries[token] = prepare(job.program, job.engine)
        return _libraries[token]
