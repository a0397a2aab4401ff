"""One worker process, as its parent sees it."""

import contextlib
import os
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext

from sim.workers.board import Board
from sim.workers.child import serve

__all__ = ["THREAD_VARIABLES", "WorkerProcess"]

# How many threads numpy's libraries use; they read it when they are loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
LAST_SECONDS = 1.0


class WorkerProcess:
    """A process, our end of its pipe, whether it has said that it is ready, its batch's number."""

    def __init__(self, context: SpawnContext, board: Board, place: int):
        self.place = place
        self.ready = False
        self.batch: int | None = None
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(theirs, board, place), name=f"simulation {place}", daemon=True
        )
        try:
            with _for_workers():
                self.process.start()
        except OSError:
            self.pipe.close()
            raise
        finally:
            theirs.close()

    def end(self) -> str:
        """Make sure that it is dead, and forget it; how it ended, in words."""
        self.pipe.close()
        # One that has just died shall keep the status that it died with.
        self.process.join(LAST_SECONDS)
        self.process.kill()
        self.process.join()
        status = self.process.exitcode
        self.process.close()
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


@contextlib.contextmanager
def _for_workers() -> Iterator[None]:
    """While this lasts, a process that starts uses one core, and Ctrl-C does not reach it.

    Blocked and not ignored, so that a Ctrl-C at this moment is not lost to ourselves.
    """
    missing = [name for name in THREAD_VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "1"))
    blocks = hasattr(signal, "pthread_sigmask")
    if blocks:
        # It would start with the first worker, and unblock the signal on its way.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if blocks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for name in missing:
            os.environ.pop(name, None)
