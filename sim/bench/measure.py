"""Measures one engine on one network: compile time, start, and speed over enough cycles."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hw.compiler import compile_network
from hw.cycles import total_cycles
from hw.engine_program import Program
from model.bits import TAPS
from model.network import Network
from sim.bench.bare import run_bare
from sim.compiled.cache import VARIABLE
from sim.compiled.library import build_library
from sim.compiled.simulator import CompiledHarness
from sim.compiled.toolchain import Toolchain
from sim.verify import Stop, verify

__all__ = ["ENGINES", "Case", "Row", "measure"]

# The two engines of sim.run; "observed", the compiled one without the golden model's comparison;
# and two programs that only simulate, without looking.
ENGINES = ("python", "compiled", "observed", "verilator", "cxxrtl")
NO_LIMIT = 1 << 40


@dataclass(frozen=True, eq=False)
class Case:
    """A network on an engine of this shape. ``images`` uint8 [N, colours, H, W], as many as a
    compiled engine is timed on; ``options`` make ``sim.run`` simulate the same."""

    network: Network
    images: np.ndarray
    options: Sequence[str]
    array: str
    pixels: int
    channels: int

    @property
    def program(self) -> Program:
        return compile_network(
            self.network, array=self.array, pixels=self.pixels, channels=self.channels
        )


@dataclass(frozen=True)
class Row:
    """One line of the result. ``kernel_applications_per_second`` are those the network asks for,
    idle lanes not counted. ``compile_seconds``: with nothing in the cache. ``start_seconds``: a
    second ``sim.run`` of the same, from the command to the first image's report; None where the
    engine is not one of sim.run."""

    engine: str
    network: str
    array: str
    pixels: int
    channels: int
    kernel_applications_per_second: float
    cycles_per_second: float
    images_per_second: float
    compile_seconds: float
    start_seconds: float | None
    cycles: int
    seconds: float

    def plain(self) -> dict:
        """For JSON."""
        return asdict(self)


def measure(
    case: Case, engine: str, tools: Toolchain | None, seconds: float, say: Callable[[str], object]
) -> Row:
    """Measure an engine; python is stopped after about ``seconds`` of simulation.

    ``say`` gets what is being done. Raises UserError where a tool fails.
    """
    program = case.program
    started = None
    with tempfile.TemporaryDirectory(prefix="subbit-bench-") as folder:
        if engine == "python":
            cycles, spent, compiling = _python(program, case.images, seconds)
        elif engine in ("compiled", "observed"):
            say("compiling")
            compared = engine == "compiled"
            cycles, spent, compiling = _compiled(program, case.images, tools, folder, compared)
            if compared:
                say("starting again")
                started = _start(case, folder)
        else:
            say("compiling")
            bare = run_bare(program, engine, case.images, tools, Path(folder))
            cycles, spent, compiling = bare.cycles, bare.seconds, bare.compile_seconds
    each = max(total_cycles(program), program.load_cycles)
    rate = cycles / spent
    return Row(
        engine=engine,
        network=case.network.name,
        array=case.array,
        pixels=case.pixels,
        channels=case.channels,
        kernel_applications_per_second=_kernel_applications(case.network) * rate / each,
        cycles_per_second=rate,
        images_per_second=rate / each,
        compile_seconds=compiling,
        start_seconds=started,
        cycles=cycles,
        seconds=spent,
    )


def _kernel_applications(network: Network) -> int:
    """Of one image."""
    return sum(conv.macs for conv in network.convs) // TAPS


def _python(program: Program, images: np.ndarray, seconds: float) -> tuple[int, float, float]:
    """Cycles, their seconds, seconds before the first one."""
    started = time.perf_counter()
    looks: list[tuple[float, int]] = []

    def look(cycles: int, results: int) -> None:
        looks.append((time.perf_counter(), cycles))
        if looks[-1][0] - looks[0][0] > seconds:
            raise Stop

    verify(program, images, on_progress=look)
    # The first look comes a few dozen cycles after everything was built.
    (first, before), (last, cycles) = looks[0], looks[-1]
    return cycles - before, last - first, first - started


def _compiled(
    program: Program, images: np.ndarray, tools: Toolchain, cache: str, compared: bool
) -> tuple[int, float, float]:
    """The same, with a cache of its own."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = cache
    try:
        building = time.perf_counter()
        library = build_library(program, tools)
        built = time.perf_counter()
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
    started = time.perf_counter()
    if compared:
        recording = verify(program, images, engine="compiled", library=library).recording
    else:
        recording = CompiledHarness(library, program, images, patience=NO_LIMIT).run()
    return recording.total, time.perf_counter() - started, built - building


def _start(case: Case, cache: str) -> float:
    """Seconds of a whole ``sim.run`` of one image with the simulator in the cache."""
    command = [sys.executable, "-m", "sim.run", "--engine", "compiled", "--images", "1"]
    command += ["--array", case.array, "--pixels", str(case.pixels)]
    command += ["--channels", str(case.channels), "--out", str(Path(cache) / "out"), *case.options]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {VARIABLE: cache})
    return time.perf_counter() - started
