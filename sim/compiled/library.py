"""From a program to the shared library that simulates its engine: RTLIL, Verilog, C++, objects."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from amaranth.back import rtlil

from hw.engine import Engine
from hw.engine_program import Program
from model.network import INPUT, Network
from sim.compiled.cache import cached
from sim.compiled.contents import read_at_start, without_contents
from sim.compiled.cxx import FLAGS, compile_library, run_tool
from sim.compiled.toolchain import Toolchain
from sim.compiled.top import SimulationTop

__all__ = ["LIBRARY", "build_library"]

LIBRARY = "simulator.so"
ROOT = Path(__file__).parents[2]
HARNESS = Path(__file__).with_name("harness.cpp")
# With waveforms the harness comes in through another file.
TRACED = Path(__file__).with_name("traced.cpp")
TRACED_PARTS = (TRACED, Path(__file__).with_name("waves.h"))
TRACE = ("--trace-vcd", "--trace-max-array", "1")
# Lines of C++ a file: none takes long, and they compile at the same time.
SPLIT = 8000
VERILATOR = (
    *("--cc", "--top-module", "top", "--prefix", "Vtop", "-O3", "--noassert"),
    *("--x-assign", "fast", "--x-initial", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
    *("--output-split", str(SPLIT), "--Mdir", "."),
)


def build_library(
    program: Program,
    tools: Toolchain,
    on_stage: Callable[[str], object] = lambda stage: None,
    *,
    waves: bool = False,
) -> Path:
    """The shared library for this program's engine: from the cache, or translated and compiled.

    It holds no contents of memories (`sim.compiled.contents`), so it serves every network of the
    same shape. Its key is the hash of the generated source, the tools and their flags. Since
    generating takes seconds, the cache also knows the key by everything that goes into it.
    With ``waves`` it can write waveforms, and is a simulator of its own.
    Raises UserError where a tool fails, with the first error it printed.
    """
    shape = without_contents(program)
    harness, parts, options = HARNESS, [HARNESS.read_text()], VERILATOR
    if waves:
        harness, options = TRACED, (*VERILATOR, *TRACE)
        parts += [part.read_text() for part in TRACED_PARTS]

    @cache
    def generate() -> str:
        top = SimulationTop(Engine(shape))
        return rtlil.convert(top, name="top", ports=top.ports, emit_src=False)

    def key_of(source: str) -> str:
        return tools.key("simulator", source, *parts, *FLAGS, *options)

    def remember(work: Path) -> None:
        (work / "key").write_text(key_of(generate()))

    def build(work: Path) -> None:
        source = generate()
        assert key_of(source) == key, "the same program gave two different circuits"
        (work / "top.il").write_text(source)
        on_stage("translating to C++")
        script = "read_rtlil top.il; proc; write_verilog -noattr top.v"
        run_tool([*tools.yosys, "-q", "-p", script], work)
        verilog = work / "top.v"
        verilog.write_text(read_at_start(verilog.read_text(), program))
        run_tool([tools.verilator, *options, verilog.name], work)
        compile_library(work, work / LIBRARY, [harness], tools, on_stage)
        for file in work.iterdir():
            if file.name != LIBRARY:
                file.unlink()

    known = cached(tools.key("key", *_ingredients(shape), *parts, *options), remember)
    key = (known / "key").read_text()
    waiting = "waiting for another run that builds the same simulator"
    return cached(key, build, lambda: on_stage(waiting)) / LIBRARY


def _input(network: Network) -> tuple:
    """What decides the circuit behind the input."""
    stem = network.stem
    if stem is None:
        return (network.encoding,)
    return stem.out_shape, stem.stream.bits, stem.out_bits, stem.step, INPUT in network.kept_streams


def _ingredients(shape: Program) -> list[str]:
    """Everything that decides what is generated: the shape, our sources, Amaranth."""
    network = shape.network
    made_of = (
        *(shape.parameters, shape.timing, shape.sizes, shape.geometries, shape.plans),
        *(network.image, _input(network), network.input_thresholds.tolist(), shape.images),
        *(shape.classes, shape.head_units, shape.score_bits, shape.index_port, shape.serial_head),
        shape.stream_shape,
    )
    folders = (ROOT / "hw", ROOT / "sim/compiled")
    sources = sorted(file for folder in folders for file in folder.rglob("*.py"))
    return [
        repr(made_of),
        version("amaranth"),
        *FLAGS,
        *(file.read_text() for file in sources),
    ]
