"""Runs the stages of a build and keeps their times."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from hw.flow.progress import Progress, Stage

__all__ = ["Stages"]


class Stages:
    """See the module."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._started = time.monotonic()
        self.stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[Stage]:
        with self._progress.stage(title) as stage:
            yield stage
        self.stages[name] = round(stage.seconds, 1)

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self._started, 1)
