"""From an engine to a shared library: RTLIL, Verilog, C++, object code."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from amaranth.back import rtlil

from hw.engine import Engine
from model.errors import UserError
from sim.compiled.cache import cached
from sim.compiled.toolchain import Toolchain
from sim.compiled.top import SimulationTop

__all__ = ["LIBRARY", "build_library"]

LIBRARY = "simulator.so"
HARNESS = Path(__file__).with_name("harness.cpp")
# Verilator's own optimisation does most of the work: -O1 compiles in half the time of -O2 and
# runs nearly as fast (python -m sim.bench measures both ends).
FLAGS = ("-O1", "-std=c++20", "-fPIC", "-DVL_TIME_CONTEXT", "-w")
# Lines of C++ a file: many files compile at once and none takes long.
SPLIT = 8000
VERILATOR = (
    *("--cc", "--top-module", "top", "--prefix", "Vtop", "-O3", "--noassert"),
    *("--x-assign", "fast", "--x-initial", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
    *("--output-split", str(SPLIT), "--Mdir", "."),
)
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")


def build_library(
    engine: Engine, tools: Toolchain, on_stage: Callable[[str], object] = lambda stage: None
) -> Path:
    """The shared library of this engine: from the cache, or translated and compiled.

    Raises UserError where a tool fails, with the last line it printed.
    """
    top = SimulationTop(engine)
    source = rtlil.convert(top, name="top", ports=top.ports, emit_src=False)
    digest = hashlib.sha256()
    for part in (source, HARNESS.read_text(), tools.versions, " ".join(FLAGS + VERILATOR)):
        digest.update(part.encode())

    def build(work: Path) -> None:
        (work / "top.il").write_text(source)
        on_stage("translating to C++")
        script = "read_rtlil top.il; proc; write_verilog -noattr top.v"
        _run([*tools.yosys, "-q", "-p", script], work)
        _run([tools.verilator, *VERILATOR, "top.v"], work)
        _compile(work, tools, on_stage)
        for file in work.iterdir():
            if file.name != LIBRARY:
                file.unlink()

    return cached(digest.hexdigest()[:32], build) / LIBRARY


def _compile(work: Path, tools: Toolchain, on_stage: Callable[[str], object]) -> None:
    """Every C++ file for itself, on all cores, the largest first; then the link."""
    sources = [*work.glob("*.cpp"), HARNESS, *(tools.include / name for name in RUNTIME)]
    sources.sort(key=lambda source: -source.stat().st_size)
    include = [f"-I{place}" for place in (work, tools.include, tools.include / "vltstd")]

    def compile_one(number: int) -> Path:
        result = work / f"{number}.o"
        command = [tools.compiler, *FLAGS, *include, "-c", str(sources[number])]
        _run([*command, "-o", str(result)], work)
        return result

    objects = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, result in enumerate(pool.map(compile_one, range(len(sources)))):
            on_stage(f"compiling C++, {done + 1} of {len(sources)} files")
            objects.append(str(result))
    _run([tools.compiler, "-shared", "-o", LIBRARY, *objects, "-lpthread"], work)


def _run(command: list[str], work: Path) -> None:
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        errors = [line for line in lines if "rror" in line] or lines
        space = shutil.disk_usage(work).free
        full = "; the disk is full" if space < 1 << 20 else ""
        raise UserError(f"{Path(command[0]).name} failed: {errors[0].strip()}{full}")
