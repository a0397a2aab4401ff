"""Batches spread over worker processes of this machine.

The processes are `multiprocessing`'s, each with a pipe of its own, and not an executor's of
`concurrent.futures`: there one death breaks the whole pool and all its batches without a word on
which of them it was, and a batch under way cannot be ended. They are spawned, which works alike
on Linux, macOS and Windows and inherits no threads or locks; that costs half a second a process,
all at a time.
"""

import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing import connection

from model.errors import UserError
from sim.batches import Batch, Job
from sim.workers.board import Board
from sim.workers.interrupt import Interrupt
from sim.workers.process import WorkerProcess
from sim.workers.results import Ledger, OnProgress, Results, name_images

__all__ = ["run_in_processes"]

POLL_SECONDS = 0.1
# After Ctrl-C, for the workers to hand over the images they have done.
GRACE_SECONDS = 1.0
# Deaths on one batch, or starts in a row, after which it is no accident.
MOST_DEATHS = 3


def run_in_processes(
    job: Job, batches: Sequence[Batch], jobs: int, on_progress: OnProgress
) -> Results:
    """Run all batches in ``jobs`` processes, which are gone when this returns or raises.

    Raises a batch's own exception, and UserError where workers cannot be started or the batch
    kills each that tries it.
    """
    ledger = Ledger(batches, on_progress)
    with _Pool(job, ledger, jobs) as pool, Interrupt() as interrupt:
        pool.start()
        while not (ledger.finished or interrupt.asked):
            pool.step(hand_out=True)
        if interrupt.asked:
            pool.board.ask_to_stop()
            end = time.monotonic() + GRACE_SECONDS
            while pool.under_way and time.monotonic() < end:
                pool.step(hand_out=False)
    return ledger.results()


class _Pool:
    """Context manager: the workers, kept at their number, and the batches they are at."""

    def __init__(self, job: Job, ledger: Ledger, jobs: int):
        self.job = job
        self.ledger = ledger
        self.jobs = min(jobs, len(ledger.batches))
        self.context = multiprocessing.get_context("spawn")
        self.board = Board(self.context, self.jobs)
        self.workers: dict[connection.Connection, WorkerProcess] = {}
        self._deaths: Counter[int] = Counter()
        self._failed_starts = 0

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *exception: object) -> None:
        # All at once, then one by one: none waits for another's end.
        for worker in self.workers.values():
            worker.process.kill()
        for worker in self.workers.values():
            worker.end()

    def start(self) -> None:
        """Start every worker."""
        for place in range(self.jobs):
            self._start(place)

    @property
    def busy(self) -> list[WorkerProcess]:
        """Workers that are at a batch."""
        return [worker for worker in self.workers.values() if worker.batch is not None]

    @property
    def under_way(self) -> bool:
        """Whether any of them simulates: one that still builds its simulator has nothing yet."""
        return any(self.board.read(worker.place)[0] for worker in self.busy)

    def step(self, hand_out: bool) -> None:
        """Wait a moment for what the workers have to say, see to it, and report progress."""
        for pipe in connection.wait(list(self.workers), POLL_SECONDS):
            worker = self.workers[pipe]
            try:
                self._take(worker, pipe.recv())
            except (EOFError, OSError):
                self._bury(worker)
        for worker in list(self.workers.values()) if hand_out else ():
            if worker.ready and worker.batch is None:
                self._give(worker)
        live = zip(*(self.board.read(worker.place) for worker in self.busy), strict=True)
        self.ledger.report(*map(sum, live))

    def _start(self, place: int) -> None:
        try:
            worker = WorkerProcess(self.context, self.board, place)
        except OSError as error:
            raise UserError(
                f"--jobs {self.jobs}: no more than {len(self.workers)} processes could be started "
                f"({error.strerror}): ask for fewer"
            ) from error
        self.workers[worker.pipe] = worker

    def _take(self, worker: WorkerProcess, message: object) -> None:
        """A worker is ready, or has finished its batch, or failed at it."""
        if not worker.ready:
            worker.ready = True
            self._failed_starts = 0
            worker.pipe.send(self.job)
            return
        number, worker.batch = worker.batch, None
        if isinstance(message, Exception):
            self.ledger.fail(number, message)
        else:
            self.ledger.add(number, message)

    def _give(self, worker: WorkerProcess) -> None:
        """The next batch, where there is one."""
        number = self.ledger.take()
        if number is None:
            return
        worker.batch = number
        self.board.write(worker.place, 0, 0, 0)
        try:
            worker.pipe.send(self.ledger.batches[number])
        except OSError:
            self._bury(worker)

    def _bury(self, worker: WorkerProcess) -> None:
        """A worker is dead: its batch goes to another; a new worker takes its place."""
        del self.workers[worker.pipe]
        how = worker.end()
        number = worker.batch
        if number is not None:
            self._deaths[number] += 1
            if self._deaths[number] == MOST_DEATHS:
                raise UserError(
                    f"{name_images(self.ledger.batches[number], self.job.number)}: {MOST_DEATHS} "
                    f"processes died simulating them (the last: {how}), most likely for lack of "
                    "memory: use fewer --jobs"
                )
            self.ledger.put_back(number)
        elif not worker.ready:
            self._failed_starts += 1
            if self._failed_starts == MOST_DEATHS:
                raise UserError(f"worker processes end before they are ready ({how}): use --jobs 1")
        if not self.board.stop:
            self._start(worker.place)
