"""How full the memories of a whole network's engine are: ``python -m sim.packing --net cnv``.

Yosys maps the engine's memories to a family's cells (and nothing else, which is what makes it
quick). Writes OUT/FAMILY-NET.md and .json: what each memory holds and what is padding, and how
full the block RAM of weights, thresholds and activations is, and of the rest. Weights are random:
memories depend on shapes, except that a bit which is the same in all words costs nothing.
"""

import argparse
import json
import tempfile
from pathlib import Path

from amaranth.back import rtlil

from hw.compiler import compile_network
from hw.cycles import predict
from hw.engine import Engine
from hw.engine_program import Program
from hw.flow.mapping import memory_mapping
from hw.flow.memories import MemoryUse, fill_by_kind, memory_uses, program_contents
from hw.flow.progress import Stage
from hw.flow.report import kind_table, memory_table
from hw.flow.resources import FAMILIES
from hw.flow.tools import YOSYS, find_tool, run_tool
from hw.params import ARRAYS
from model.codebooks import TAU_OF_BITS
from model.errors import OneLineParser, UserError, run_command
from model.files import write_text
from sim.networks import NETWORKS, published_network

__all__ = ["main", "mapped_memories"]

TOP = "engine"


def mapped_memories(program: Program, family: str) -> list[MemoryUse]:
    """The memories of a program's engine, with the cells that Yosys makes of them."""
    text = rtlil.convert(Engine(program), name=TOP, emit_src=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "engine.il").write_text(text)
        script = (
            f"read_rtlil engine.il; {memory_mapping(family, TOP)}; select {TOP}; "
            "write_json -selected engine.json"
        )
        run_tool(YOSYS, ["-q", "-p", script], folder, folder / "yosys.log", Stage("memories"))
        cells = json.loads((folder / "engine.json").read_text())["modules"][TOP]["cells"]
    return memory_uses(text.splitlines(), cells, program_contents(program))


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m sim.packing", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--net", choices=NETWORKS, default="cnv", help="a whole network, random weights")
    add("--bits", choices=tuple(TAU_OF_BITS), default="0.56", help="of its 3x3 weights")
    add("--family", choices=FAMILIES, default="xc7")
    add("--array", choices=ARRAYS, default="shared")
    add("--pixels", type=int, default=64, help="lanes (default 64)")
    add("--channels", type=int, default=16, help="input channels at once (default 16)")
    add("--fill", type=int, help="dot9 units a lane that fill the tables (shared)")
    add("--out", type=Path, default=Path("build/packing"), help="folder of the report")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """The command; see the module's text."""
    args = _parser().parse_args(arguments)
    find_tool(YOSYS)  # or say what is missing before any work
    program = compile_network(
        published_network(args.net, TAU_OF_BITS[args.bits], seed=0),
        array=args.array,
        pixels=args.pixels,
        channels=args.channels,
        fill=args.fill,
    )
    uses = mapped_memories(program, args.family)
    kinds = fill_by_kind(uses)
    cycles = sum(layer.cycles for layer in predict(program))
    report = {
        "net": args.net,
        "bits": args.bits,
        "family": args.family,
        "parameters": vars(program.parameters),
        "cycles": cycles,
        "memories": [use.plain() for use in uses],
        "fill_by_kind": kinds,
    }
    lines = [*memory_table(report["memories"]), "", *kind_table(kinds)]
    shape = ", ".join(f"{name} {value}" for name, value in report["parameters"].items())
    text = "\n".join([f"{args.net}, {args.family}, {shape}: {cycles:,} cycles", "", *lines, ""])
    path = args.out / f"{args.family}-{args.net}.md"
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
        write_text(path.with_suffix(".json"), json.dumps(report, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {args.out}: {error.strerror}") from None
    print(text)
    print(path)


if __name__ == "__main__":
    run_command(main)
