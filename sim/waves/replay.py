"""Simulates a batch again, exactly as before, to see what the first time went unseen."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hw.engine_program import Program
from model.errors import CheckError, UserError
from model.files import write_whole
from sim.batches import Batch, Job
from sim.comparison import Difference
from sim.compiled.library import build_library
from sim.compiled.toolchain import find_toolchain
from sim.outcome import BatchResult
from sim.verify import verify
from sim.waves.live import LiveWaves
from sim.waves.look import Look
from sim.waves.mismatch import Finder, around, result_cycle, word_of
from sim.waves.savefile import write_savefile
from sim.waves.verilated import VerilatedWaves
from sim.waves.window import Window

__all__ = ["Replay", "Written"]


@dataclass(frozen=True)
class Written:
    """A file of waveforms: its cycles from ``first`` to ``last``, and its size."""

    path: Path
    savefile: Path
    first: int
    last: int
    bytes: int

    def __str__(self) -> str:
        return (
            f"cycles {self.first:,} to {self.last:,}, {self.bytes / 1e6:.1f} MB; "
            f"open it with: gtkwave {self.savefile}"
        )


class Replay:
    """Simulates batches of a run again: same engine, same images, same stalls, so same cycles.

    ``library`` is the compiled simulator with waveforms, None for "python".
    """

    def __init__(self, job: Job, library: Path | None):
        self.job = job
        self.library = library

    @classmethod
    def of(cls, job: Job, on_stage=lambda stage: None) -> "Replay":
        """Builds the simulator where it is not in the cache; raises UserError where that fails."""
        if job.engine != "compiled":
            return cls(job, None)
        library = build_library(job.program, find_toolchain(), on_stage, waves=True)
        return cls(job, library)

    def write(self, batch: Batch, window: Window, path: Path, mark: int | None = None) -> Written:
        """Write the window's waveforms, and a save file for the viewer beside them, in which the
        cycle ``mark`` is marked.

        Raises UserError where the simulation never comes to the window, or ends within a window of
        cycles. Where the engine hangs or breaks its rules, its waveforms up to there are written
        and then its CheckError is raised.
        """
        problem: CheckError | None = None
        waves: LiveWaves | VerilatedWaves

        def fill(file: BinaryIO) -> None:
            nonlocal problem, waves
            if self.job.engine == "compiled":
                waves = VerilatedWaves(window, file, path.parent, self.job.program)
            else:
                waves = LiveWaves(window, file, self.job.program)
            with contextlib.closing(waves):
                try:
                    end = self._simulate(batch, waves)
                except CheckError as error:
                    problem, end = error, None
                waves.finish()
            if waves.opened is None and problem:
                raise problem
            if end is not None:
                _check_window(window, waves, end)

        write_whole(path, fill)
        savefile = path.with_suffix(".gtkw")
        cycles = range(waves.opened, waves.closed)
        write_savefile(savefile, path, waves.vars, self.job.program, cycles, mark)
        if problem:
            raise CheckError(f"{problem}; the waveforms up to there are in {path}") from problem
        size = os.path.getsize(path)
        return Written(path, savefile, waves.opened, waves.closed - 1, size)

    def window_around(self, batch: Batch, result: BatchResult, difference: Difference):
        """The cycle in which a differing value of the batch was written, and a window around it."""
        program: Program = self.job.program
        number = self.job.number + batch.first
        word = word_of(difference, number, program)
        if word is None:
            cycle = result_cycle(result, difference, number)
        else:
            finder = Finder(word, program)
            self._simulate(batch, finder)
            cycle = finder.found
        return cycle, around(cycle, word, program)

    def _simulate(self, batch: Batch, look: Look) -> int:
        """Simulate with ``look``; returns the cycles that were simulated."""
        job = self.job
        verdict = verify(
            job.program,
            batch.images,
            engine=job.engine,
            number=job.number + batch.first,
            stalls=job.stalls,
            library=self.library,
            look=look,
        )
        return verdict.recording.total


def _check_window(window: Window, waves: LiveWaves | VerilatedWaves, end: int) -> None:
    """Raises UserError where the simulation ended before the window did."""
    if waves.opened is None or (window.last is not None and waves.closed <= window.last):
        asked = f"{window.first}:{'' if window.last is None else window.last}"
        raise UserError(
            f"--vcd-cycles {asked}: the first batch's simulation ends with cycle {end - 1}"
        )
