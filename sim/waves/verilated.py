"""Waveforms of a window from a compiled simulator: what Verilator wrote, in our names."""

import os
import tempfile
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from hw.engine import Engine
from hw.engine_program import Program
from sim.compiled.top import SimulationTop
from sim.waves.look import NEVER, Look
from sim.waves.names import ROOT, signal_names, texts
from sim.waves.vcd import PERIOD_NS, Dump, Var
from sim.waves.window import Window

__all__ = ["VerilatedWaves"]


class VerilatedWaves(Look):
    """Waveforms of a window, written to ``file`` when the compiled simulation is over.

    Until then they are in an unnamed file in ``folder``. ``opened`` and ``closed`` are as in
    `sim.waves.live.LiveWaves`.
    """

    def __init__(self, window: Window, file: BinaryIO, folder: Path, program: Program):
        super().__init__()
        self._raw = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._file = file
        self._program = program
        for name, value in window.fields.items():
            setattr(self.c, name, value)
        self.c.file = self._raw.fileno()
        self.vars: list[Var] = []
        self.closed: int | None = None

    @property
    def opened(self) -> int | None:
        return None if self.c.opened == NEVER else self.c.opened

    def done(self) -> bool:
        return self.c.closed != NEVER or self.c.error != 0

    def finish(self) -> None:
        """The simulation is over; raises OSError where its dump could not be written."""
        if self.c.error:
            raise OSError(self.c.error, os.strerror(self.c.error))
        if self.opened is not None:
            self._raw.seek(0)
            self._convert(line.decode().strip() for line in self._raw)

    def close(self) -> None:
        """Remove what Verilator wrote."""
        self._raw.close()

    def _convert(self, lines: Iterator[str]) -> None:
        top = SimulationTop(Engine(self._program))
        names = signal_names(top, ("top", ROOT), top.ports)
        dump = Dump(self._file, names, texts(plan.name for plan in self._program.plans))
        dump.define(takewhile(lambda line: not line.startswith("$enddefinitions"), lines))
        self.vars = dump.vars
        time, changes = None, []
        for line in lines:
            if line.startswith("#"):
                if time is not None:
                    dump.write(time, changes)
                time, changes = int(line[1:]), []
            elif line and line[0] != "$":
                changes.append(line)
        dump.write(time, changes)
        self.closed = time // PERIOD_NS + 1
        dump.finish(PERIOD_NS * self.closed)
