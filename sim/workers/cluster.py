"""Batches handed to a running Dask cluster.

Dask runs a lost worker's batches again by itself. The job, which all batches share, is the result
of a task and not scattered data, because Dask can make a lost result again, and lost data not.
"""

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.errors import UserError
from sim.batches import Batch, Job
from sim.workers.client import check_scheduler, check_workers, connected, lost
from sim.workers.interrupt import Cut, Interrupt
from sim.workers.quiet import quiet
from sim.workers.remote import hold, simulate
from sim.workers.results import Ledger, OnProgress, Results, name_images

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["run_on_cluster"]

FIRST_WORKER_SECONDS = 30
POLL_SECONDS = 0.02
# Between two looks at what workers the cluster has.
LOOK_SECONDS = 2


def run_on_cluster(
    job: Job, batches: Sequence[Batch], address: str, on_progress: OnProgress
) -> Results:
    """Run all batches on the workers of the scheduler at ``address``; none of it stays there.

    Raises a batch's own exception, and UserError where Dask is not installed, the scheduler cannot
    be reached, has no workers or other ones than this project's, or a batch kills its workers.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise UserError(
            "--scheduler: Dask is not installed: pip install 'subbit[cluster]'"
        ) from error
    ledger = Ledger(batches, on_progress)
    with quiet(), Interrupt() as interrupt, contextlib.suppress(Cut):
        # Nothing here is spoilt by an exception at any place.
        interrupt.abrupt = True
        with connected(address) as client:
            check_scheduler(client, address)
            run = _Run(client, address, job, ledger)
            with contextlib.closing(run):
                while not (ledger.finished or interrupt.asked):
                    run.step()
    return ledger.results()


class _Run:
    """The batches that are on the cluster.

    No more than there are threads, each meant for the worker that it goes to: the images of all
    others stay here, and where a worker dies, Dask lays it to what the worker was at and not to
    batches that only waited there. Left to itself, Dask sends the first ones all to one worker,
    the one that has the job.
    """

    def __init__(self, client: "Client", address: str, job: Job, ledger: Ledger):
        self.client = client
        self.address = address
        self.ledger = ledger
        self._what = job
        self._token = uuid.uuid4().hex
        self._job: Future | None = None
        self._flying: dict[int, tuple[Future, str]] = {}
        # Threads by address.
        self._workers: dict[str, int] = {}
        self._look_at = time.monotonic()
        self._no_worker_after = self._look_at + FIRST_WORKER_SECONDS

    def step(self) -> None:
        """Send batches, wait a moment, take what is done, and report progress."""
        self._look()
        if self._job is None:
            # Without a worker too: a cluster may start its first one when there is work.
            self._job = self.client.submit(hold, self._what, key=f"job-{self._token}", pure=False)
        for worker in self._free():
            number = self.ledger.take()
            if number is None:
                break
            self._send(number, worker)
        time.sleep(POLL_SECONDS)
        for number, (future, _) in list(self._flying.items()):
            if future.done():
                self._take(number, future)
                del self._flying[number]
        self.ledger.report()

    def _free(self) -> list[str]:
        """A worker's address for each thread that has nothing of ours to do, in turns."""
        free = Counter(self._workers) - Counter(worker for _, worker in self._flying.values())
        return [worker for turn in range(max(free.values(), default=0))
                for worker, threads in free.items() if turn < threads]  # fmt: skip

    def _send(self, number: int, worker: str) -> None:
        future = self.client.submit(
            simulate,
            *(self._job, self.ledger.batches[number], self._token),
            key=("simulate-" + self._token, number),
            pure=False,
            workers=[worker],
            # Should this one die, any other will do.
            allow_other_workers=True,
        )
        self._flying[number] = (future, worker)

    def close(self) -> None:
        """Let nothing of ours stay on the cluster."""
        with contextlib.suppress(Exception):
            self.client.cancel([self._job, *(future for future, _ in self._flying.values())])
        self._flying.clear()

    def _look(self) -> None:
        """The workers and their threads; a cluster may grow and shrink."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        try:
            workers = self.client.nthreads()
        except OSError as error:
            raise lost(self.address) from error
        if new := set(workers) - set(self._workers):
            check_workers(self.client, self.address, new)
        self._workers = workers
        if workers:
            self._no_worker_after = float("inf")
        elif now > self._no_worker_after:
            raise UserError(
                f"--scheduler {self.address}: it has had no worker for {FIRST_WORKER_SECONDS} s: "
                f"start one with 'dask worker {self.address}'"
            )

    def _take(self, number: int, future: "Future") -> None:
        from distributed import CancelledError, KilledWorker

        try:
            self.ledger.add(number, future.result())
        except KilledWorker as error:
            what = name_images(self.ledger.batches[number], self._what.number)
            self.ledger.fail(
                number,
                UserError(
                    f"{what}: {error.allowed_failures + 1} Dask workers died simulating them, most "
                    "likely for lack of memory: give the workers more of it, or fewer threads"
                ),
            )
        except CancelledError as error:
            raise lost(self.address) from error
        except Exception as error:
            self.ledger.fail(number, error)
