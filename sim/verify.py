"""Simulates a compiled network on images and judges everything that came out."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.cycles import predict
from hw.engine import Engine
from hw.engine_program import Program
from hw.index.stream import index_stream
from hw.schedule import LayerCycles
from sim.comparison import Comparison
from sim.compiled.library import build_library
from sim.compiled.simulator import CompiledHarness
from sim.compiled.toolchain import find_toolchain
from sim.harness import Harness
from sim.outcome import BatchResult, Outcome
from sim.stalls import Stalls
from sim.watcher import Recording
from sim.waves.look import Look

__all__ = ["ENGINES", "Stop", "Verdict", "verify"]

ENGINES = ("python", "compiled")

# A working engine writes a word every few cycles; silence for this many images is a hang.
PATIENCE_IMAGES = 2


class Stop(Exception):  # noqa: N818 - it is no error
    """Raised in a simulation's ``on_progress``, where every record is consistent, to end it."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a simulation showed, and how it compares with golden model and cycle model."""

    recording: Recording
    comparison: Comparison
    predicted: tuple[LayerCycles, ...]

    @property
    def problem(self) -> str | None:
        """The first thing that is wrong: a differing value, else a wrong cycle count, else None."""
        batch = BatchResult.of(self.recording, self.comparison, 0)
        return Outcome(self.predicted, self.comparison.number, batch.asked, [batch]).problem


def verify(
    program: Program,
    images: np.ndarray,
    *,
    engine: str = "python",
    number: int = 0,
    stalls: Stalls | None = None,
    library: Path | None = None,
    look: Look | None = None,
    on_images: Callable[[int, int], object] = lambda images, differing: None,
    on_progress: Callable[[int, int], object] = lambda cycles, results: None,
) -> Verdict:
    """Simulate ``program`` on uint8 images [N, colours, H, W], streamed back to back.

    ``engine`` is one of `ENGINES`: "python" is Amaranth's simulator, "compiled" the same RTL
    translated to C++; ``library`` is it, where it is built already. ``number`` is what the first
    image is called in messages. ``look`` sees every cycle and may end the simulation; a compiled
    one needs the ``library`` with waveforms for that. ``on_images`` is called with how many more
    images are compared and how many of their values differ, ``on_progress`` with cycles simulated
    and results taken; raising `Stop` there ends the simulation, with the images that were done.
    Raises CheckError when the engine hangs or breaks the rules of its streams or probe.
    """
    network = program.network
    predicted = tuple(predict(program))
    comparison = Comparison(network, images, number)
    common = {
        "patience": PATIENCE_IMAGES * (sum(row.cycles for row in predicted) + program.load_cycles),
        "stalls": stalls,
        "on_images": lambda at, found: on_images(len(found), comparison.add(at, found)),
        "on_progress": on_progress,
        "look": look,
    }
    if engine == "compiled":
        library = library or build_library(program, find_toolchain())
        harness = CompiledHarness(library, program, images, **common)
    else:
        pixels = program.parameters.pixels
        index = index_stream(program) if program.index_port else None
        harness = Harness(Engine(program), network, pixels, images, index=index, **common)
    with contextlib.suppress(Stop):
        harness.run()
    return Verdict(harness.recording, comparison, predicted)
