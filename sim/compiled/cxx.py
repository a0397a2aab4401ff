"""C++ sources to a shared library: what is slow to compile at once, what is slow to run well."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model.errors import UserError
from sim.compiled.cache import cached
from sim.compiled.toolchain import Toolchain

__all__ = ["FLAGS", "compile_library", "run_tool"]

# What runs in every cycle at -O2; what runs once (Verilator names it so) not optimised at all.
# python -m sim.bench measures both ends.
FLAGS = ("-std=c++20", "-fPIC", "-DVL_TIME_CONTEXT", "-w")
FAST, SLOW = "-O2", "-O0"
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
# Reading Verilator's headers takes a second a file, so small files are compiled together.
TOGETHER_BYTES = 500_000


def compile_library(
    work: Path,
    result: Path,
    sources: Sequence[Path],
    tools: Toolchain,
    on_stage: Callable[[str], object] = lambda stage: None,
    *,
    link: Sequence[str] = ("-shared",),
) -> None:
    """Compile Verilator's output in ``work`` and ``sources``, on all cores, and link ``result``.

    A shared library, unless the options of ``link`` say otherwise. Raises UserError with the
    tool's message where it fails.
    """
    made = sorted(work.glob("*.cpp"))
    slow = [source for source in made if "__Slow" in source.name or "__Syms" in source.name]
    fast = [source for source in made if source not in slow]
    # The main loop and the circuit's entry in one unit, so that one can be inlined in the other.
    units = [(FAST, unit) for unit in _units([*fast, *sources])]
    units += [(SLOW, unit) for unit in _units(slow)]
    units.sort(key=lambda unit: -_cost(*unit))
    include = [f"-I{place}" for place in (work, tools.include, tools.include / "vltstd")]

    running: set[subprocess.Popen] = set()

    def compile_one(number: int) -> str:
        level, unit = units[number]
        source = work / f"unit{number}.cc"
        source.write_text("".join(f'#include "{file}"\n' for file in unit))
        command = [tools.compiler, level, *FLAGS, *include, "-c", str(source)]
        run_tool([*command, "-o", str(source.with_suffix(".o"))], work, running)
        return str(source.with_suffix(".o"))

    objects = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            runtime = pool.submit(_runtime, tools, running)
            for done, one in enumerate(pool.map(compile_one, range(len(units)))):
                on_stage(f"compiling C++, {done + 1} of {len(units)} parts")
                objects.append(one)
            objects += runtime.result()
        except BaseException:
            # An error or Ctrl-C: nobody waits for compilers whose work is not wanted.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.kill()
            raise
    run_tool([tools.compiler, *link, "-o", str(result), *objects, "-lpthread"], work)


def run_tool(
    command: Sequence[str], work: Path, running: set[subprocess.Popen] | None = None
) -> str:
    """What a tool prints when run in ``work``; raises UserError with its first error.

    While it runs, its process is in ``running``, for whoever may have to end it.
    """
    pipe = subprocess.PIPE
    running = set() if running is None else running
    with subprocess.Popen(command, cwd=work, stdout=pipe, stderr=pipe, text=True) as process:
        running.add(process)
        try:
            printed, errors = process.communicate()
        except BaseException:
            process.kill()
            raise
        finally:
            running.discard(process)
    if process.returncode:
        lines = (errors or printed).strip().splitlines() or ["no message"]
        telling = [line for line in lines if "rror" in line] or lines
        space = shutil.disk_usage(work).free
        full = "; the disk is full" if space < 1 << 20 else ""
        raise UserError(f"{Path(command[0]).name} failed: {telling[0].strip()}{full}")
    return printed


def _units(sources: Sequence[Path]) -> list[list[Path]]:
    """The sources in groups that are compiled together."""
    units: list[list[Path]] = []
    size = 0
    for source in sorted(sources, key=lambda source: source.stat().st_size):
        if not units or size + source.stat().st_size > TOGETHER_BYTES:
            units.append([])
            size = 0
        units[-1].append(source)
        size += source.stat().st_size
    return units


def _cost(level: str, unit: Sequence[Path]) -> int:
    """Roughly how long a unit takes: the longest are to be started first."""
    return sum(source.stat().st_size for source in unit) * (3 if level == FAST else 1)


def _runtime(tools: Toolchain, running: set[subprocess.Popen]) -> list[str]:
    """Verilator's own run-time library, compiled once for all simulators."""

    def build(work: Path) -> None:
        for name in RUNTIME:
            source = str(tools.include / name)
            include = [f"-I{tools.include}", f"-I{tools.include / 'vltstd'}"]
            command = [tools.compiler, FAST, *FLAGS, *include, "-c", source]
            run_tool([*command, "-o", f"{name}.o"], work, running)

    return [str(cached(tools.key("runtime", *FLAGS), build) / f"{name}.o") for name in RUNTIME]
