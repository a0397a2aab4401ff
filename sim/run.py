"""Runs a network through the accelerator's RTL and compares every value with the golden model.

    python -m sim.run --model digits --images 10

The RTL is simulated cycle by cycle on real test images, streamed back to back. Input planes, the
activations of every layer, scores and class of every image are compared with the golden model,
and the cycles of every layer with their prediction. Writes report.json and report.md.

Exit status: 0 all equal, 1 something differs or the engine hangs, 2 bad input, 130 interrupted.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hw.compiler import compile_network
from hw.cycles import predict
from model import datasets
from model.errors import CheckError, UserError, run_command
from model.files import make_folder
from model.format import Network
from model.shipped import DEFAULT, load_model
from sim.batches import Job, batch_size, prepare, run_batch, split
from sim.compiled.toolchain import missing
from sim.harness import Stalls
from sim.outcome import BatchResult, Outcome
from sim.progress import SimulationProgress
from sim.report import (
    MARKDOWN,
    TENSORS,
    Setup,
    build_report,
    prepare_folder,
    write_report,
)
from sim.table import markdown, terminal_table
from sim.tensors import save_tensors
from sim.verify import ENGINES

__all__ = ["main"]

DEFAULT_PIXELS = 32
DEFAULT_CHANNELS = 16
STALL_PAUSE = 0.1
# Of tables, where there is no terminal to ask.
LINE_WIDTH = 100


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m sim.run``."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    console = Console(
        highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else LINE_WIDTH
    )
    if options.engine == "compiled":
        if problem := missing():
            raise UserError(f"--engine compiled: {problem}")
        if options.vcd:
            raise UserError("--vcd: waveforms come from --engine python only")
    network = load_model(options.model)
    data = _load_data(options, network)
    program = compile_network(
        network,
        array=options.array,
        pixels=options.pixels,
        channels=options.channels,
        fill=options.fill,
    )
    prepare_folder(options.out)
    if options.vcd:
        make_folder(options.vcd.parent)
    chosen = slice(options.first, options.first + options.images)
    images = data.images[chosen]
    cycles = sum(layer.cycles for layer in predict(program))
    setup = Setup(
        model=options.model,
        dataset=data.name,
        array=options.array,
        pixels=options.pixels,
        channels=options.channels,
        fill=program.parameters.fill,
        first_image=options.first,
        seed=options.seed,
        stalls=options.stalls,
        command=shlex.join(["python", "-m", "sim.run", *given]),
    )
    console.print(
        f"{network.name} on the {setup.array} array, {setup.pixels} pixels x {setup.channels} "
        f"channels; {len(images)} images of {data.name}, {cycles:,} cycles each by prediction"
    )
    expected = program.load_cycles + len(images) * max(cycles, program.load_cycles)
    started = time.monotonic()
    with SimulationProgress(len(images), expected, console) as progress:
        progress.stage("building the simulator")
        job = Job(
            program,
            options.engine,
            number=options.first,
            stalls=Stalls(options.seed, pause=STALL_PAUSE) if options.stalls else None,
            library=prepare(program, options.engine, progress.stage),
            keep=options.tensors,
        )
        progress.stage("simulating", total=expected)
        done: list[BatchResult] = []
        for batch in split(images, batch_size(program, options.engine)):
            done.append(run_batch(job, batch, on_progress=progress.update))
    outcome = Outcome(tuple(predict(program)), options.first, len(images), done)
    seconds = time.monotonic() - started
    report = build_report(setup, network, outcome, data.labels[chosen], seconds)
    write_report(report, markdown(report), options.out)
    if options.tensors:
        save_tensors(network, images, outcome, options.out / TENSORS)
    for table in terminal_table(report):
        console.print(table)
    console.print(f"report: {options.out / MARKDOWN}")
    if outcome.problem:
        raise CheckError(outcome.problem)


def _load_data(options: argparse.Namespace, network: Network) -> datasets.Dataset:
    """The test images; raises UserError when they do not suit the network or are too few."""
    name = options.dataset or network.provenance.get("dataset")
    if name is None:
        raise UserError(
            f"{options.model} does not say what it was trained on: name a data set with "
            f"--dataset ({', '.join(datasets.NAMES)})"
        )
    data = datasets.load(name, options.data, "test")
    if data.images.shape[1:] != network.image:
        raise UserError(
            f"{name} has images {_size(data.images.shape[1:])}, {options.model} takes "
            f"{_size(network.image)}: choose another --dataset"
        )
    if len(data.images) < options.first + options.images:
        raise UserError(
            f"--images {options.images} from --first {options.first} on: "
            f"{name} has {len(data.images)} test images"
        )
    return data


def _size(image: Sequence[int]) -> str:
    return " x ".join(map(str, image))


def _whole(name: str, low: int = 1):
    """A converter for argparse: whole numbers from ``low``, or one clear line."""

    def convert(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or int(text) < low:
            raise UserError(f"{name} must be a whole number of at least {low}, not {text!r}")
        return int(text)

    return convert


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.run",
        usage="%(prog)s [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", default=DEFAULT, help=f"exported file or shipped network (default: {DEFAULT})")
    add("--dataset", help="data set of the images (default: what the network was trained on)")
    add("--data", type=Path, help="folder of the data sets' official files (digits needs none)")
    add("--images", type=_whole("--images"), default=10, help="how many test images (default: 10)")
    add("--first", type=_whole("--first", 0), default=0, help="number of the first (default: 0)")
    add("--array", choices=("direct", "shared"), default="shared", help="default: shared")
    add("--pixels", type=_whole("--pixels"), default=DEFAULT_PIXELS,
        help=f"lanes, pixels worked on at once (default: {DEFAULT_PIXELS})")  # fmt: skip
    add("--channels", type=_whole("--channels"), default=DEFAULT_CHANNELS,
        help=f"input channels worked on at once (default: {DEFAULT_CHANNELS})")  # fmt: skip
    add("--fill", type=_whole("--fill"),
        help="shared array: dot9 units a lane that fill the tables (default: derived)")  # fmt: skip
    add("--engine", choices=ENGINES, default="python",
        help="python: Amaranth's simulator; compiled: Verilator and a C++ compiler, a minute to "
        "build and then hundreds of times faster (default: python)")  # fmt: skip
    add("--tensors", action="store_true",
        help="also save all tensors, RTL and golden, to tensors.npz; they are compared in any "
        "case, since that costs next to nothing beside the simulation")  # fmt: skip
    add("--vcd", type=Path, help="write waveforms to this file (halves the speed)")
    add("--out", type=Path, default=Path("build/sim"), help="folder of the report")
    add("--stalls", action="store_true", help="random pauses on both streams, from --seed")
    add("--seed", type=_whole("--seed", 0), default=0, help="seed of the pauses (default: 0)")
    return parser


if __name__ == "__main__":
    run_command(main)
