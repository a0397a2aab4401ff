"""Counters in memory that the worker processes share with their parent."""

from multiprocessing.context import BaseContext

__all__ = ["Board"]

COUNTERS = 3


class Board:
    """Cycles, images and differing values of the batch that each worker is at; a wish to stop.

    One process writes each counter, so none needs a lock. May be handed to a process that starts.
    """

    def __init__(self, context: BaseContext, workers: int):
        self._stop = context.RawValue("b", 0)
        self._counters = context.RawArray("q", COUNTERS * workers)

    def write(self, worker: int, cycles: int, images: int, differing: int) -> None:
        """How far a worker is in its batch."""
        start = COUNTERS * worker
        self._counters[start : start + COUNTERS] = (cycles, images, differing)

    def read(self, worker: int) -> list[int]:
        """What `write` wrote last."""
        return self._counters[COUNTERS * worker : COUNTERS * (worker + 1)]

    @property
    def stop(self) -> bool:
        """Whether the workers are to end their batches early."""
        return bool(self._stop.value)

    def ask_to_stop(self) -> None:
        """From now on ``stop`` is set, in every process."""
        self._stop.value = 1
