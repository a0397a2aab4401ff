"""Writes a network's engine as plain Verilog with AXI4-Stream names: for your own design.

    python -m hw.export_verilog --model digits --out build/verilog
    python -m hw.export_verilog --model FILE --pixels 32 --channels 16

In the folder: NAME.v, the .hex files of its memories, NAME_instance.v to copy from, and NAME_tb.v,
a test bench that checks itself on a few images, for Icarus Verilog or Verilator:

    iverilog -g2012 -o tb NAME_tb.v NAME.v && ./tb
    verilator --binary --timing -Wno-fatal NAME_tb.v NAME.v && obj_dir/VNAME_tb

Exit status: 0 done, 2 bad input or a tool that is missing, 130 interrupted.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from amaranth.back import rtlil

from hw.compiler import compile_network
from hw.engine import Engine
from hw.engine_program import Program
from hw.export_verilog.bench import bench, vectors
from hw.export_verilog.memory_files import into_files
from hw.export_verilog.template import template
from hw.export_verilog.wrapper import AxiEngine
from hw.flow.progress import Progress
from hw.flow.tools import YOSYS, find_tool, run_tool
from hw.params import ARRAYS
from model import shipped
from model.errors import OneLineParser, UserError, run_command
from model.files import make_folder, write_text
from model.network import Network

__all__ = ["export", "main"]

SCRIPT = "read_rtlil top.il; proc -nomux -norom; memory_collect; write_verilog -noattr top.v"


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m hw.export_verilog",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", default=shipped.DEFAULT, metavar="FILE|NAME",
        help=f"exported network, or a shipped one by name (default {shipped.DEFAULT})",
        )  # fmt: skip
    add("--array", choices=ARRAYS, default="shared")
    add("--pixels", type=int, default=32, metavar="P", help="lanes (default 32)")
    add("--channels", type=int, default=16, metavar="C", help="input channels (default 16)")
    add("--fill", type=int, metavar="F", help="dot9 units a lane (default: chosen)")
    add("--index-port", type=int, metavar="BITS", help="indices through a stream of this width")
    add("--images", type=int, default=4, metavar="N", help="random images in the test bench")
    add("--seed", type=int, default=0, help="of these images")
    add("--name", metavar="NAME", help="of the module (default: the network's, with _engine)")
    add("--out", type=Path, default=Path("build/verilog"), metavar="DIR")
    return parser


def export(program: Program, module: str, images: np.ndarray, progress: Progress) -> dict[str, str]:
    """All files by name. Raises UserError where Yosys is missing, CheckError where it fails."""
    top = AxiEngine(Engine(program))
    with tempfile.TemporaryDirectory() as name, progress.stage("writing Verilog (Yosys)") as stage:
        folder = Path(name)
        text = rtlil.convert(top, name=module, ports=top.ports, emit_src=False)
        (folder / "top.il").write_text(text)
        run_tool(YOSYS, ["-q", "-p", SCRIPT], folder, folder / "yosys.log", stage)
        verilog, memories = into_files((folder / "top.v").read_text())
    return {
        f"{module}.v": verilog,
        f"{module}_instance.v": template(program, module),
        f"{module}_tb.v": bench(program, module, len(images)),
        **memories,
        **vectors(program, images),
    }


def _images(network: Network, count: int, seed: int) -> np.ndarray:
    """Noise, but for an all-black and an all-white image in front."""
    images = np.random.default_rng(seed).integers(0, 256, (count, *network.image), np.uint8)
    for place, value in enumerate((0, 255)[: count - 1]):
        images[place] = value
    return images


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module's text."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    for name in ("images", "pixels", "channels"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} must be at least 1, not {getattr(options, name)}")
    network = shipped.load_model(options.model)
    module = options.name or f"{re.sub(r'[^A-Za-z0-9_]', '_', network.name)}_engine"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", module):
        raise UserError(f"--name {module!r} is no name of a Verilog module")
    find_tool(YOSYS)  # or say what is missing before any work
    program = compile_network(
        network,
        array=options.array,
        pixels=options.pixels,
        channels=options.channels,
        fill=options.fill,
        index_port=options.index_port,
    )
    make_folder(options.out)
    progress = Progress()
    images = _images(network, options.images, options.seed)
    files = export(program, module, images, progress)
    for name, text in files.items():
        write_text(options.out / name, text)
    print(f"{options.out}: {', '.join(files)}")
    return 0


if __name__ == "__main__":
    run_command(main)
