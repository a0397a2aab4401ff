"""Waveforms of a window from Amaranth's simulator, which itself can only write all of them."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from amaranth.sim import Simulator

from hw.engine_program import Program
from sim.waves.look import Look, Position
from sim.waves.names import signal_names, texts
from sim.waves.vcd import PERIOD_NS, Dump, Var
from sim.waves.window import Window

__all__ = ["LiveWaves"]

FS_PER_NS = 1_000_000


class _Stream:
    """Stands in for the file that Amaranth writes its dump to.

    Changes are held until their cycle is decided on: passed on, or remembered as values.
    """

    def __init__(self, dump: Dump):
        self._dump = dump
        self._values: dict[str, str] = {}
        self._held: deque[tuple[int, list[str]]] = deque()
        self._changes: list[str] = []
        self._open = False

    def write(self, text: str) -> None:
        """A piece of the dump: whole lines, the header in one piece."""
        if text[0] == "#":
            stamp, _, text = text.partition("\n")
            self._changes = []
            self._held.append((int(stamp[1:]) // FS_PER_NS, self._changes))
        if text and text[0] != "$":
            self._changes.append(text[:-1])
        elif "$enddefinitions" in text:
            self._dump.define(text.splitlines())

    def flush(self) -> None:
        """Nothing is kept back for long."""

    def decide(self, cycle: int, wanted: bool) -> None:
        """All changes of this cycle (and of any before it) are wanted or not."""
        while self._held and self._held[0][0] < PERIOD_NS * (cycle + 1):
            time, changes = self._held.popleft()
            if wanted and self._open:
                self._dump.write(time, changes)
                continue
            values = self._values
            for change in changes:
                ident = change.partition(" ")[2] if change[0] in "bs" else change[1:]
                values[ident] = change
            if wanted:
                self._dump.write(time, values.values())
                self._open = True


class LiveWaves(Look):
    """Waveforms of a window, written to ``file`` while Amaranth's simulator runs.

    ``opened`` and ``closed`` are the window's first cycle and the first one behind it, as far as
    the simulation has come; None before.
    """

    def __init__(self, window: Window, file: BinaryIO, program: Program):
        super().__init__()
        self.window = window
        self.opened: int | None = None
        self.closed: int | None = None
        self._file = file
        self._texts = texts(plan.name for plan in program.plans)
        self._dump: Dump | None = None

    @property
    def vars(self) -> list[Var]:
        """The variables in the dump."""
        return self._dump.vars

    @contextmanager
    def tracing(self, simulator: Simulator, engine) -> Iterator[None]:
        self._dump = Dump(self._file, signal_names(engine, ("top",)), self._texts)
        self._stream = _Stream(self._dump)
        with simulator.write_vcd(vcd_file=self._stream):
            yield

    def see(self, at: Position, seen) -> bool:
        if self.opened is None:
            wanted = self.window.begins(at)
            self.opened = at.cycle if wanted else None
        else:
            wanted = not self.window.ends(at)
        if self.opened is not None:
            self.closed = at.cycle + wanted
        self._stream.decide(at.cycle, wanted)
        return self.opened is not None and not wanted

    def finish(self) -> None:
        """The simulation is over."""
        if self.closed is not None:
            self._dump.finish(PERIOD_NS * self.closed)

    def close(self) -> None:
        """Nothing is left over."""
