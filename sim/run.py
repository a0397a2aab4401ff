"""Runs a network through the accelerator's RTL and compares every value with the golden model.

    python -m sim.run --model digits --images 10

The RTL is simulated cycle by cycle on real test images, streamed back to back. Input planes, the
activations of every layer, scores and class of every image are compared with the golden model,
and the cycles of every layer with their prediction. Writes report.json and report.md.

Exit status: 0 all equal, 1 something differs or the engine hangs, 2 bad input, 130 interrupted
(the report then covers the images that were done, and says so; none is written without any).
"""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from hw.compiler import compile_network
from hw.cycles import predict
from model.errors import CheckError, UserError, run_command
from sim.batches import Job, batch_size, prepare, split
from sim.compiled.toolchain import missing
from sim.harness import Stalls
from sim.options import make_parser
from sim.outcome import Outcome
from sim.progress import SimulationProgress
from sim.report import (
    HTML,
    MARKDOWN,
    TENSORS,
    Setup,
    build_report,
    prepare_folder,
    terminal_tables,
    write_report,
)
from sim.subject import find_subject
from sim.tensors import save_tensors
from sim.waves.request import find_request
from sim.workers.spread import run_all

__all__ = ["main"]

DEFAULT_PIXELS = 32
STALL_PAUSE = 0.1
INTERRUPTED = 130
# Of tables, where there is no terminal to ask.
LINE_WIDTH = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``python -m sim.run``; returns its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = make_parser(__doc__).parse_args(given)
    console = Console(
        highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else LINE_WIDTH
    )
    if options.jobs and options.scheduler is not None:
        raise UserError("--jobs is for this machine, --scheduler for a cluster: choose one")
    engine = _engine(options.engine, console)
    subject = find_subject(options)
    network, images = subject.network, subject.images
    pixels = options.pixels or max(DEFAULT_PIXELS, *(conv.width for conv in network.convs))
    program = compile_network(
        network,
        array=options.array,
        pixels=pixels,
        channels=options.channels,
        fill=options.fill,
    )
    prepare_folder(options.out)
    numbers = range(options.first, options.first + len(images))
    waves = find_request(options, [layer.name for layer in network.layers], numbers)
    cycles = sum(layer.cycles for layer in predict(program))
    setup = Setup(
        model=subject.model,
        dataset=subject.dataset,
        array=options.array,
        pixels=pixels,
        channels=options.channels,
        fill=program.parameters.fill,
        first_image=options.first,
        seed=options.seed,
        stalls=options.stalls,
        command=shlex.join(["python", "-m", "sim.run", *given]),
        engine=engine,
        clock_mhz=options.clock,
    )
    console.print(
        f"{network.name} on the {setup.array} array, {pixels} pixels x {setup.channels} channels; "
        f"{len(images):,} images of {subject.dataset}, {cycles:,} cycles each by prediction"
    )
    batches = split(images, batch_size(program, engine))
    each = max(cycles, program.load_cycles)
    expected = len(batches) * program.load_cycles + len(images) * each
    job = Job(
        program,
        engine,
        number=options.first,
        stalls=Stalls(options.seed, pause=STALL_PAUSE) if options.stalls else None,
        keep=options.tensors,
    )
    if waves.file:
        with SimulationProgress(len(images), expected, console) as progress:
            written = waves.write(job, batches, progress.stage)
        console.print(written)
    started = time.monotonic()
    with SimulationProgress(len(images), expected, console) as progress:
        progress.stage("building the simulator")
        job = replace(job, library=prepare(program, engine, progress.stage))
        prepared = time.monotonic()
        progress.stage("simulating", total=expected)
        results = run_all(
            job,
            batches,
            jobs=options.jobs or 1,
            scheduler=options.scheduler,
            on_progress=progress.update,
        )
    if not results.batches:
        raise KeyboardInterrupt
    outcome = Outcome(tuple(predict(program)), options.first, len(images), results.batches)
    seconds = time.monotonic() - started
    report = build_report(
        setup,
        program,
        outcome,
        images,
        subject.labels,
        seconds,
        prepare_seconds=prepared - started,
        class_names=subject.classes,
    )
    write_report(report, options.out)
    if options.tensors:
        save_tensors(network, images[: outcome.images], outcome, options.out / TENSORS)
    for table in terminal_tables(report, console.width):
        console.print(table)
    console.print(f"report: {options.out / HTML}, {options.out / MARKDOWN}")
    if results.interrupted:
        found = f"; {outcome.problem}" if outcome.problem else ""
        print(
            f"interrupted: the report covers the first {outcome.images:,} of {outcome.asked:,} "
            f"images{found}",
            file=sys.stderr,
        )
        return INTERRUPTED
    if waves.on_mismatch:
        with SimulationProgress(len(images), expected, console) as progress:
            written = waves.write_mismatch(job, batches, outcome, progress.stage)
        console.print(written)
    if outcome.problem:
        raise CheckError(outcome.problem)
    return 0


def _engine(asked: str | None, console: Console) -> str:
    """The engine to use: the compiled one unless the user says otherwise or it cannot be had."""
    problem = missing()
    if asked == "compiled" and problem:
        raise UserError(f"--engine compiled: {problem}")
    if asked is None and problem:
        console.print(f"simulating with --engine python, far slower than compiled: {problem}")
    return asked or ("python" if problem else "compiled")


if __name__ == "__main__":
    run_command(main)
