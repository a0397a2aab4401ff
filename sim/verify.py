"""Simulates a compiled network on images and judges everything that came out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.cycles import predict
from hw.engine import Engine
from hw.program import Program
from hw.schedule import LayerCycles
from sim.compare import Comparison
from sim.compiled.simulator import CompiledHarness
from sim.cycles import check
from sim.harness import Harness, Stalls
from sim.watcher import Recording

__all__ = ["ENGINES", "Verdict", "verify"]

ENGINES = ("python", "compiled")

# A working engine writes a word every few cycles; silence for this many images is a hang.
PATIENCE_IMAGES = 2


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a simulation showed, and how it compares with golden model and cycle model."""

    recording: Recording
    comparison: Comparison
    predicted: tuple[LayerCycles, ...]

    @property
    def cycle_problems(self) -> list[str]:
        """Every image's and layer's cycles that are not as predicted, a line each."""
        return check(
            self.predicted,
            self.recording.cycles,
            len(self.recording.images),
            self.comparison.number,
        )

    @property
    def problem(self) -> str | None:
        """The first thing that is wrong: a differing value, else a wrong cycle count, else None."""
        if self.comparison.first:
            return (
                f"{self.comparison.mismatches:,} of {self.comparison.values:,} values differ; "
                f"the first: {self.comparison.first}"
            )
        if problems := self.cycle_problems:
            return f"{len(problems)} cycle counts are not as predicted; the first: {problems[0]}"
        return None


def verify(
    program: Program,
    images: np.ndarray,
    *,
    engine: str = "python",
    number: int = 0,
    stalls: Stalls | None = None,
    vcd: Path | None = None,
    on_built: Callable[[], object] = lambda: None,
    on_image: Callable[[int], object] = lambda differing: None,
    on_progress: Callable[[int, int], object] = lambda cycles, results: None,
    on_stage: Callable[[str], object] = lambda stage: None,
) -> Verdict:
    """Simulate ``program`` on uint8 images [N, colours, H, W], streamed back to back.

    ``engine`` is one of `ENGINES`: "python" is Amaranth's simulator, "compiled" the same RTL
    translated to C++ (no ``vcd``). ``number`` is what the first image is called in messages.
    ``on_stage`` is called with what is being made for the compiled engine, ``on_built`` when the
    simulator is built and starts, ``on_image`` with the number of differing values of each
    image, ``on_progress`` with cycles simulated and results taken.
    Raises CheckError when the engine hangs or breaks the rules of its streams or probe.
    """
    network = program.network
    predicted = tuple(predict(program))
    comparison = Comparison(network, images, number)
    common = {
        "patience": PATIENCE_IMAGES * (sum(row.cycles for row in predicted) + program.load_cycles),
        "stalls": stalls,
        "on_image": lambda number, found: on_image(comparison.add(number, found)),
        "on_progress": on_progress,
    }
    what = (Engine(program), network, program.parameters.pixels, images)
    if engine == "compiled":
        harness = CompiledHarness(*what, **common, on_stage=on_stage)
    else:
        harness = Harness(*what, **common, vcd=vcd)
    on_built()
    return Verdict(harness.run(), comparison, predicted)
