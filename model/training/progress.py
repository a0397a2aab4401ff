"""What a training run shows: a bar on a terminal, plain lines elsewhere, never 10 s of silence."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

__all__ = ["PlainProgress", "Progress", "RichProgress", "make_progress", "working"]

# Seconds between the lines of very short epochs, at least; and without any line, at most.
EPOCH_GAP = 2.0
LONGEST_SILENCE = 5.0


class Progress(Protocol):
    """Where a run reports to."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind, error, trace: TracebackType | None) -> None: ...
    def step(self, done: int, epoch: int, loss: float, accuracy: float) -> None:
        """``done`` training steps are taken; loss and training accuracy of the epoch so far."""

    def epoch(self, record: dict, last: bool) -> None:
        """An epoch has ended with the metrics ``record``."""

    def note(self, text: str) -> None:
        """Anything else, such as "evaluating", shown where it would otherwise be silent."""


class PlainProgress:
    """Lines on stdout."""

    def __init__(self, total: int, done: int):
        self.total, self.begun, self.first = total, time.monotonic(), done
        self.shown = self.epoch_shown = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, trace: TracebackType | None) -> None:
        return None

    def _say(self, text: str) -> None:
        self.shown = time.monotonic()
        print(text, flush=True)

    def _left(self, done: int) -> str:
        taken = done - self.first
        spent = time.monotonic() - self.begun
        return clock(spent / taken * (self.total - done)) if taken else "?"

    def step(self, done: int, epoch: int, loss: float, accuracy: float) -> None:
        if time.monotonic() - self.shown >= LONGEST_SILENCE:
            self._say(
                f"epoch {epoch}: step {done} of {self.total}, loss {loss:.4f}, "
                f"accuracy {100 * accuracy:.2f} %, {self._left(done)} left"
            )

    def epoch(self, record: dict, last: bool) -> None:
        if last or time.monotonic() - self.epoch_shown >= EPOCH_GAP:
            self.epoch_shown = time.monotonic()
            self._say(
                f"epoch {record['epoch']} of {record['epochs']}: loss {record['loss']:.4f}, "
                f"accuracy {100 * record['train_accuracy']:.2f} %, "
                f"test {100 * record['test_accuracy']:.2f} %, {self._left(record['step'])} left"
            )

    def note(self, text: str) -> None:
        if time.monotonic() - self.shown >= LONGEST_SILENCE:
            self._say(text)


class RichProgress:
    """A bar with loss, accuracy and time left."""

    def __init__(self, total: int, done: int):
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.task = self.bar.add_task("training", total=total, completed=done, figures="")
        self.test = ""

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, kind, error, trace: TracebackType | None) -> None:
        self.bar.stop()

    def step(self, done: int, epoch: int, loss: float, accuracy: float) -> None:
        figures = f"loss {loss:.4f}  accuracy {100 * accuracy:.2f} %{self.test}"
        self.bar.update(self.task, completed=done, description=f"epoch {epoch}", figures=figures)

    def epoch(self, record: dict, last: bool) -> None:
        self.test = f"  test {100 * record['test_accuracy']:.2f} %"
        self.step(record["step"], record["epoch"], record["loss"], record["train_accuracy"])

    def note(self, text: str) -> None:
        self.bar.update(self.task, description=text)


def make_progress(total: int, done: int) -> Progress:
    """A bar where stdout is a terminal, else plain lines."""
    kind = RichProgress if sys.stdout.isatty() else PlainProgress
    return kind(total, done)


@contextlib.contextmanager
def working(text: str) -> Iterator[None]:
    """Say ``text``, and again every few seconds until the block ends."""
    print(f"{text} ...", flush=True)
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(LONGEST_SILENCE):
            print(f"still {text} ...", flush=True)

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
