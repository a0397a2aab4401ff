"""1-bit against sub-bit weights where both get their indices through a port of the same width.

    python -m sim.bandwidth --stack resnet18 --bits 0.56
    python -m sim.bandwidth --stack resnet18 --bits 0.56 --simulate 32

A network's 3x3 layers (`sim.stacks`) on two engines of the same lanes and channels: plain kernels
of 9 bits on the direct array, and sub-bit indices on the shared one. Both keep the same number of
index words behind the port, so the 1-bit engine is given more memory. Cycles of one image are
predicted by `hw.cycles`, which is exact for a port that never hesitates; ``--simulate`` also runs
both engines' RTL at one width and compares cycles and values, exit status 1 where any differs.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hw.compiler import compile_network
from hw.cycles import predict
from hw.engine_program import Program
from hw.params import DEFAULT_BUFFER, IndexPort
from hw.schedule import LayerCycles
from hw.traffic import traffic
from model.bits import TAPS
from model.codebooks import TAU_OF_BITS, tau_of
from model.errors import CheckError, UserError, run_command
from model.files import make_folder, write_text
from sim.stacks import STACKS, stack_network
from sim.synthetic import random_images
from sim.verify import ENGINES, verify

__all__ = ["WIDTHS", "BandwidthRow", "bandwidth_row", "engines", "main"]

WIDTHS = (8, 16, 32, 48, 64, 80, 96, 128, 192, 256)


@dataclass(frozen=True)
class BandwidthRow:
    """Both engines with ports of ``port_bits`` and ``buffer_words`` kept.

    Of one image: ``*_cycles``, all layers and the head; ``*_stall`` of them, filling tables and
    waiting for indices; ``*_fetched`` bits that come in. ``layers``: binary and sub-bit, each.
    """

    port_bits: int
    buffer_words: int
    binary_cycles: int
    subbit_cycles: int
    binary_stall: int
    subbit_stall: int
    binary_fetched: int
    subbit_fetched: int
    layers: tuple[tuple[LayerCycles, LayerCycles], ...]

    @property
    def speedup(self) -> float:
        """How many times the sub-bit engine is as fast, at the same clock."""
        return self.binary_cycles / self.subbit_cycles


def engines(
    stack: str, bits: str, *, pixels: int, channels: int, fill: int | None = None, seed: int = 0
) -> tuple[Program, Program]:
    """The 1-bit and the sub-bit engine for a stack, with their indices on chip."""
    shape = {"pixels": pixels, "channels": channels}
    binary = stack_network(stack, TAPS, seed)
    subbit = stack_network(stack, tau_of(bits), seed)
    return (
        compile_network(binary, array="direct", **shape),
        compile_network(subbit, array="shared", fill=fill, **shape),
    )


def bandwidth_row(
    binary: Program, subbit: Program, port_bits: int, buffer_words: int = DEFAULT_BUFFER
) -> BandwidthRow:
    """Both engines' predicted cycles with a port of this width.

    Raises ValueError for a port that there cannot be.
    """
    port = IndexPort(port_bits, buffer_words)
    programs = [replace(program, index_port=port) for program in (binary, subbit)]
    layers = [predict(program) for program in programs]
    cycles = [sum(layer.cycles for layer in found) for found in layers]
    stalls = [sum(layer.stall for layer in found) for found in layers]
    fetched = [sum(layer.index_bits_fetched for layer in traffic(p)) for p in programs]
    return BandwidthRow(
        port_bits, buffer_words, *cycles, *stalls, *fetched, tuple(zip(*layers, strict=True))
    )


def _simulate(
    options: argparse.Namespace, binary: Program, subbit: Program, row: BandwidthRow
) -> str:
    """Run both engines at one width on one image; raises CheckError where anything differs."""
    found = []
    for program, predicted in ((binary, row.binary_cycles), (subbit, row.subbit_cycles)):
        parameters = program.parameters
        ported = compile_network(
            program.network,
            array=parameters.array,
            pixels=parameters.pixels,
            channels=parameters.channels,
            fill=parameters.fill or None,
            index_port=row.port_bits,
            index_buffer=row.buffer_words,
        )
        images = random_images(options.seed, ported.network, 1)
        verdict = verify(ported, images, engine=options.engine)
        if verdict.problem:
            raise CheckError(f"{parameters.array} array: {verdict.problem}")
        cycles = sum(sum(layer) for layer in verdict.recording.cycles[0])
        if cycles != predicted:
            raise CheckError(f"{parameters.array} array: {predicted} predicted, {cycles} simulated")
        found.append(cycles)
    return (
        f"simulated at {row.port_bits} bits a cycle: {found[0]:,} and {found[1]:,} cycles, every "
        "layer's as predicted, every value equal to the golden model"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.bandwidth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--stack", choices=STACKS, default="resnet18")
    add("--bits", choices=tuple(TAU_OF_BITS), default="0.56", help="of the sub-bit weights")
    add("--pixels", type=int, default=64)
    add("--channels", type=int, default=16)
    add("--fill", type=int, help="of the shared array (default: derived)")
    add("--widths", type=int, nargs="+", default=WIDTHS, metavar="BITS", help="of the port")
    add("--index-buffer", type=int, default=DEFAULT_BUFFER, metavar="WORDS")
    add("--simulate", type=int, metavar="BITS", help="also simulate both engines at this width")
    add("--engine", choices=ENGINES, default="compiled")
    add("--seed", type=int, default=0)
    add("--out", type=Path, default=Path("build/bandwidth"), help="folder of report.json")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module's text."""
    options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    make_folder(options.out)
    shape = {name: getattr(options, name) for name in ("pixels", "channels", "fill", "seed")}
    binary, subbit = engines(options.stack, options.bits, **shape)
    widths = dict.fromkeys([*options.widths, *([options.simulate] if options.simulate else [])])
    try:
        rows = {bits: bandwidth_row(binary, subbit, bits, options.index_buffer) for bits in widths}
    except ValueError as error:
        raise UserError(str(error)) from error
    print(
        f"{options.stack}, 3x3 layers, {options.pixels} lanes x {options.channels} channels, "
        f"{options.index_buffer:,} index words kept: {binary.parameters.index_bits} bits a word "
        f"at 1 bit, {subbit.parameters.index_bits} at {options.bits} (fill "
        f"{subbit.parameters.fill})"
    )
    print("port bits   1-bit cycles   sub-bit cycles   speed-up   1-bit Mbit in   sub-bit Mbit in")
    for bits, row in rows.items():
        print(
            f"{bits:9}{row.binary_cycles:15,}{row.subbit_cycles:17,}{row.speedup:11.2f}"
            f"{row.binary_fetched / 1e6:16.2f}{row.subbit_fetched / 1e6:18.2f}"
        )
    simulated = options.simulate and _simulate(options, binary, subbit, rows[options.simulate])
    if simulated:
        print(simulated)
    entries = [asdict(row) | {"speedup": round(row.speedup, 4)} for row in rows.values()]
    report = {"stack": options.stack, "bits": options.bits, "pixels": options.pixels,
              "channels": options.channels, "fill": subbit.parameters.fill, "rows": entries,
              "simulated_port_bits": options.simulate}  # fmt: skip
    write_text(options.out / "report.json", json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    run_command(main)
