"""What a worker process does: batches as they come, until its parent is gone or kills it."""

import os
import pickle
import signal
import traceback
from multiprocessing.connection import Connection

from model.errors import UserError
from sim.batches import Batch, Job
from sim.outcome import BatchResult
from sim.verify import Stop
from sim.workers.board import Board
from sim.workers.counted import run_counted

__all__ = ["serve"]


def serve(pipe: Connection, board: Board, place: int) -> None:
    """Say True when ready, take the job, then batches, and answer each with its result or its
    exception; ``place`` is this worker's on the board."""
    # A Ctrl-C goes to every process of the terminal; what becomes of us the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pipe.send(True)
        job = pipe.recv()
        while True:
            pipe.send(_run(job, pipe.recv(), board, place))
    except (EOFError, OSError):
        return


def _run(job: Job, batch: Batch, board: Board, place: int) -> BatchResult | Exception:
    parent = os.getppid()

    def on_progress(cycles: int, images: int, differing: int) -> None:
        board.write(place, cycles, images, differing)
        if board.stop or os.getppid() != parent:
            raise Stop

    try:
        return run_counted(job, batch, on_progress)
    except Exception as error:
        return _portable(error)


def _portable(error: Exception) -> Exception:
    """The exception as it can travel; one that is no message to users says where it was raised."""
    if not isinstance(error, UserError):
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(traceback.format_exc())
    return error
