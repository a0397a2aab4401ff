"""A run is cut into batches of images; each is simulated on its own, from reset, in any process.

The size of a batch follows from the engine and the network alone, never from the number of
workers, so that results and cycle counts are the same however the batches are spread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.cycles import total_cycles
from hw.engine_program import Program
from sim.compiled.library import build_library
from sim.compiled.toolchain import find_toolchain
from sim.outcome import BatchResult
from sim.stalls import Stalls
from sim.verify import verify

__all__ = ["Batch", "Job", "batch_size", "prepare", "run_batch", "split"]

# Long enough that filling the pipeline once a batch does not show, short enough that progress,
# Ctrl-C and a lost worker cost little.
BATCH_CYCLES = {"python": 4_000, "compiled": 1_000_000}
LEAST_IMAGES, MOST_IMAGES = 2, 250


@dataclass(frozen=True, eq=False)
class Job:
    """What all batches of a run share; may be sent to another process.

    ``number`` is what the run's first image is called in messages. ``library`` is the compiled
    simulator, where this machine has one already. ``keep`` also returns every image's tensors.
    """

    program: Program
    engine: str
    number: int = 0
    stalls: Stalls | None = None
    library: Path | None = None
    keep: bool = False


@dataclass(frozen=True, eq=False)
class Batch:
    """Images ``first`` and following of a run: uint8 [n, colours, H, W]."""

    first: int
    images: np.ndarray


def batch_size(program: Program, engine: str) -> int:
    """Images a batch."""
    cycles = max(total_cycles(program), program.load_cycles)
    return max(LEAST_IMAGES, min(MOST_IMAGES, BATCH_CYCLES[engine] // cycles))


def split(images: np.ndarray, size: int) -> list[Batch]:
    """The run's images in batches of ``size``; the last one may be smaller."""
    return [Batch(start, images[start : start + size]) for start in range(0, len(images), size)]


def prepare(
    program: Program, engine: str, on_stage: Callable[[str], object] = lambda stage: None
) -> Path | None:
    """The compiled simulator of a program, from the cache or built now; None for "python".

    Raises UserError where a tool fails.
    """
    if engine != "compiled":
        return None
    return build_library(program, find_toolchain(), on_stage)


def run_batch(
    job: Job,
    batch: Batch,
    *,
    on_images: Callable[[int, int], object] = lambda images, differing: None,
    on_progress: Callable[[int, int], object] = lambda cycles, results: None,
) -> BatchResult:
    """Simulate a batch and compare it with the golden model.

    ``on_images`` gets how many more images are compared and how many values differ in them,
    ``on_progress`` cycles simulated and results taken so far. Raising `sim.verify.Stop` there ends
    it early: the result then holds the images that were done, and is not ``complete``.
    Raises CheckError where the engine hangs or breaks its rules.
    """
    library = job.library if job.library and job.library.exists() else None
    verdict = verify(
        job.program,
        batch.images,
        engine=job.engine,
        number=job.number + batch.first,
        stalls=job.stalls,
        library=library or prepare(job.program, job.engine),
        on_images=on_images,
        on_progress=on_progress,
    )
    return BatchResult.of(verdict.recording, verdict.comparison, batch.first, keep=job.keep)
