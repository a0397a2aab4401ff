"""How far a simulation is: a progress bar on a terminal, a line every few seconds elsewhere."""

import threading
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

__all__ = ["SimulationProgress"]

LINE_SECONDS = 5.0


class SimulationProgress:
    """Context manager around slow parts, such as building the simulator, and simulating; it may
    be entered again.

    Parameters
    ----------
    images, cycles : how many images, and how many cycles they are expected to take in all.
    console : where to write; a terminal gets a bar, anything else a line every `LINE_SECONDS`,
        written by a thread of its own, so that the parts that cannot report are not silent.
    """

    def __init__(self, images: int, cycles: int, console: Console):
        self.images = images
        self.cycles = cycles
        self.console = console
        self._stage = ""
        self._started = 0.0
        self._seen = (0, 0, 0)
        self._stop = threading.Event()
        self._lines: threading.Thread | None = None
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, status="")

    def __enter__(self) -> "SimulationProgress":
        if self.console.is_terminal:
            self._bar.start()
        else:
            self._stop.clear()
            self._lines = threading.Thread(target=self._write_lines, daemon=True)
            self._lines.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self.console.is_terminal:
            self._bar.stop()
        else:
            self._lines.join()

    def stage(self, name: str, total: int | None = None) -> None:
        """A new part begins; ``total`` cycles when it is the simulation itself."""
        self._stage = name
        self._seen = (0, 0, 0)
        self._started = time.monotonic()
        self._bar.reset(self._task, total=total, description=name, status="")
        if not self.console.is_terminal:
            self.console.print(f"{name} ...")

    def update(self, cycles: int, images: int, differing: int) -> None:
        """Cycles simulated, images compared and values that differed so far, of all workers."""
        self._seen = (cycles, images, differing)
        self._bar.update(self._task, completed=cycles, status=self._status())

    def _status(self) -> str:
        cycles, images, differing = self._seen
        seconds = max(time.monotonic() - self._started, 1e-3)
        pace = images / seconds
        return (
            f"{images:,}/{self.images:,} images, {pace:,.{0 if pace >= 100 else 2}f} images/s, "
            f"{cycles / seconds:,.0f} cycles/s, {differing:,} values differ"
        )

    def _write_lines(self) -> None:
        while not self._stop.wait(LINE_SECONDS):
            seconds = time.monotonic() - self._started
            cycles, _, _ = self._seen
            if not cycles:
                self.console.print(f"  {self._stage}: {seconds:.0f} s so far")
                continue
            left = max(self.cycles - cycles, 0) * seconds / cycles
            self.console.print(f"  {self._status()}, about {left:.0f} s left")
