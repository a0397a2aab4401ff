"""What is known of a run's batches while they are simulated in any order, anywhere."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sim.batches import Batch
from sim.outcome import BatchResult

__all__ = ["Ledger", "OnProgress", "Results", "name_images"]

# Cycles simulated, images compared and differing values found so far, of all batches together.
OnProgress = Callable[[int, int, int], object]


@dataclass(frozen=True, eq=False)
class Results:
    """The results of a run's first batches, in the order of the images, without a gap.

    ``interrupted`` says that Ctrl-C ended the run before its last image; the last of ``batches``
    may then be cut short.
    """

    batches: list[BatchResult]
    interrupted: bool


def name_images(batch: Batch, number: int) -> str:
    """How messages call a batch; ``number`` is the name of the run's first image."""
    first = number + batch.first
    return f"images {first} to {first + len(batch.images) - 1}"


class Ledger:
    """Hands out the batches of a run in order and takes their results in any order.

    A batch that fails ends the run, but only when those before it are done: the failure that
    counts is the first in the order of the images, whoever came upon it first.
    """

    def __init__(self, batches: Sequence[Batch], on_progress: OnProgress):
        self.batches = batches
        self._on_progress = on_progress
        self._waiting = list(range(len(batches)))
        self._done: dict[int, BatchResult] = {}
        self._failed: dict[int, Exception] = {}
        self._totals = (0, 0, 0)

    def take(self) -> int | None:
        """The number of the next batch to simulate; None where all are handed out."""
        if self._waiting and self._waiting[0] < self._end:
            return heapq.heappop(self._waiting)
        return None

    def put_back(self, number: int) -> None:
        """The batch's worker was lost: it is the next to be handed out."""
        heapq.heappush(self._waiting, number)

    def add(self, number: int, result: BatchResult) -> None:
        """A batch is done, or as far as it came."""
        self._done[number] = result
        found = (result.total, len(result.labels), int(result.differing.sum()))
        self._totals = tuple(map(sum, zip(self._totals, found, strict=True)))

    def fail(self, number: int, error: Exception) -> None:
        """A batch ended with an error."""
        self._failed[number] = error

    def report(self, cycles: int = 0, images: int = 0, differing: int = 0) -> None:
        """Say how far the run is: what is done, and these of the batches under way."""
        live = (cycles, images, differing)
        self._on_progress(*map(sum, zip(self._totals, live, strict=True)))

    @property
    def finished(self) -> bool:
        """Whether every batch up to the end, or up to the first failure, is done."""
        return all(number in self._done for number in range(self._end))

    def results(self) -> Results:
        """What the run showed; raises the first failure where every batch before it is done."""
        if self._failed and self.finished:
            raise self._failed[self._end]
        batches = []
        complete = True
        for number in range(self._end):
            complete = complete and number in self._done
            if complete:
                result = self._done[number]
                complete = result.complete
                batches += [result] if len(result.labels) else []
        return Results(batches, interrupted=not complete or bool(self._failed))

    @property
    def _end(self) -> int:
        return min(self._failed, default=len(self.batches))
