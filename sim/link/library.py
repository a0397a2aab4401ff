"""From a program to the shared library that simulates its board."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from amaranth.back import rtlil

from hw.engine import Engine
from hw.engine_program import Program
from hw.link.identity import ID_BYTES, describe
from hw.link.keeper import BUILT
from hw.loading.slots import ABOUT
from hw.top import BoardCore
from hw.uart import bit_cycles
from sim.compiled.cache import cached
from sim.compiled.contents import read_at_start, read_memory_at_start, without_contents
from sim.compiled.cxx import FLAGS, compile_library, run_tool
from sim.compiled.library import LIBRARY, VERILATOR
from sim.compiled.toolchain import Toolchain

__all__ = ["CLOCK_HZ", "INFO", "build_board"]

CLOCK_HZ = 100e6
#: The memory that says what the board is.
INFO = "info"
LINE = Path(__file__).with_name("line.cpp")


def build_board(
    program: Program,
    tools: Toolchain,
    baud: float,
    on_stage: Callable[[str], object] = lambda stage: None,
) -> Path:
    """The shared library, from the cache or translated and compiled; as `build_library` does it,
    it serves every network of the same shape. Raises UserError where a tool fails, ValueError for
    a line speed that `CLOCK_HZ` cannot have."""
    bit_cycles(CLOCK_HZ, baud)
    shape = without_contents(program)
    blank = replace(
        describe(program, CLOCK_HZ), design=bytes(ID_BYTES), network=bytes(ID_BYTES), name=""
    )
    core = BoardCore(Engine(shape), clock_hz=CLOCK_HZ, baud=baud, info=blank)
    source = rtlil.convert(core, name="top", ports=[core.rx, core.tx], emit_src=False)

    def build(work: Path) -> None:
        (work / "top.il").write_text(source)
        on_stage("translating to C++")
        script = "read_rtlil top.il; proc; write_verilog -noattr top.v"
        run_tool([*tools.yosys, "-q", "-p", script], work)
        verilog = work / "top.v"
        text = read_memory_at_start(verilog.read_text(), INFO)
        for name in (ABOUT, BUILT) if program.loadable else ():
            text = read_memory_at_start(text, name)
        verilog.write_text(read_at_start(text, program))
        run_tool([tools.verilator, *VERILATOR, verilog.name], work)
        compile_library(work, work / LIBRARY, [LINE], tools, on_stage)
        for file in work.iterdir():
            if file.name != LIBRARY:
                file.unlink()

    key = tools.key("board", source, LINE.read_text(), *FLAGS, *VERILATOR)
    waiting = "waiting for another run that builds the same simulator"
    return cached(key, build, lambda: on_stage(waiting)) / LIBRARY
