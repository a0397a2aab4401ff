"""What a long command shows while it works: a live line on a terminal, plain lines elsewhere."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

__all__ = ["Progress", "Stage"]

LIVE_SECONDS = 0.5
PLAIN_SECONDS = 5.0
TAIL_BYTES = 500


class Stage:
    """One step of the work.

    Whoever does it puts its latest news into ``line``, or names the file in ``log`` whose last
    line is the news.
    """

    def __init__(self, title: str):
        self.title = title
        self.line = ""
        self.log: Path | None = None
        self.seconds = 0.0

    def news(self) -> str:
        """The latest line, or nothing."""
        if self.log is None:
            return self.line
        try:
            with self.log.open("rb") as file:
                file.seek(max(self.log.stat().st_size - TAIL_BYTES, 0))
                lines = file.read().decode(errors="replace").split("\n")
        except OSError:
            return self.line
        return next((line.strip() for line in reversed(lines) if line.strip()), self.line)


class Progress:
    """Tells the stages of a command as they run, each with its elapsed time.

    A thread of its own does the telling, so that a stage may work without ever calling back.
    """

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        """Run one stage: tells it while it runs, and its time when it is done."""
        stage = Stage(title)
        done = threading.Event()
        teller = threading.Thread(target=self._tell, args=(stage, done), daemon=True)
        started = time.monotonic()
        teller.start()
        try:
            yield stage
        finally:
            done.set()
            teller.join()
            stage.seconds = time.monotonic() - started
            self._write(f"{title}: {stage.seconds:.1f} s", end="\n")

    def say(self, text: str) -> None:
        """A line between stages."""
        self._write(text, end="\n")

    def _tell(self, stage: Stage, done: threading.Event) -> None:
        started = time.monotonic()
        while not done.wait(LIVE_SECONDS if self._live else PLAIN_SECONDS):
            elapsed = time.monotonic() - started
            self._write(
                f"{stage.title}: {elapsed:.0f} s  {stage.news()}", end="" if self._live else "\n"
            )

    def _write(self, text: str, end: str) -> None:
        if self._live:
            width = shutil.get_terminal_size().columns
            text = f"\r\x1b[2K{text[: width - 1]}"
        print(text, end=end, file=self._stream, flush=True)
