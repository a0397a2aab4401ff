"""Runs a network through the accelerator's RTL and compares every value with the golden model.

    python -m sim.run --model digits --images 10
    python -m sim.run --model mnist --data DIR --images all --jobs 2
    python -m sim.run --stack resnet18 --images 1
    python -m sim.run --net resnet20 --bits 0.56 --images 2

The RTL is simulated cycle by cycle on real test images, streamed back to back. Input planes, the
activations of every layer, scores and class of every image are compared with the golden model,
and the cycles of every layer with their prediction. Writes report.json, .md, .html and pictures.

Exit status: 0 all equal, 1 something differs or the engine hangs, 2 bad input, 130 interrupted
(the report then covers the images that were done, and says so; none is written without any).
"""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from hw.compiler import compile_network
from hw.cycles import predict, total_cycles
from hw.engine_program import Program
from model.errors import CheckError, UserError, run_command
from sim.batches import Batch, Job, batch_size, prepare, split
from sim.compiled.toolchain import missing
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
from sim.stalls import Stalls
from sim.subject import Subject, find_subject
from sim.tensors import save_tensors
from sim.waves.request import find_request
from sim.workers.spread import run_all

__all__ = ["main"]

DEFAULT_PIXELS = 32
STALL_PAUSE = 0.1
INTERRUPTED = 130
# Of tables, where there is no terminal to ask.
LINE_WIDTH = 100


@dataclass(frozen=True, eq=False)
class _Simulated:
    """What came out, whether Ctrl-C ended it, and the seconds of it all and of building."""

    outcome: Outcome
    interrupted: bool
    seconds: float
    building: float


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``python -m sim.run``; returns its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = make_parser(__doc__).parse_args(given)
    width = None if sys.stdout.isatty() else LINE_WIDTH
    console = Console(highlight=False, soft_wrap=True, width=width)
    if options.jobs and options.scheduler is not None:
        raise UserError("--jobs is for this machine, --scheduler for a cluster: choose one")
    engine = _engine(options.engine, console)
    subject = find_subject(options)
    program = _compile(options, subject)
    numbers = range(options.first, options.first + len(subject.images))
    prepare_folder(options.out)
    waves = find_request(options, [layer.name for layer in program.network.layers], numbers)
    setup = _setup(options, subject, program, engine, given)
    console.print(
        f"{program.network.name} on the {setup.array} array, {setup.pixels} pixels x "
        f"{setup.channels} channels; {len(subject.images):,} images of {subject.dataset}, "
        f"{total_cycles(program):,} cycles each by prediction"
    )
    batches = split(subject.images, batch_size(program, engine))
    stalls = Stalls(options.seed, pause=STALL_PAUSE) if options.stalls else None
    job = Job(program, engine, number=options.first, stalls=stalls, keep=options.tensors)
    progress = SimulationProgress(len(subject.images), _expected(program, batches), console)

    if waves.file:
        with progress:
            written = waves.write(job, batches, progress.stage)
        console.print(written)
    with progress:
        simulated = _simulate(job, batches, options, progress)
    _write(setup, subject, program, simulated, options, console)
    if simulated.interrupted:
        return _interrupted(simulated.outcome)
    if waves.on_mismatch:
        with progress:
            written = waves.write_mismatch(job, batches, simulated.outcome, progress.stage)
        console.print(written)
    if problem := simulated.outcome.problem:
        raise CheckError(problem)
    return 0


def _engine(asked: str | None, console: Console) -> str:
    """The engine to use: the compiled one unless the user says otherwise or it cannot be had."""
    problem = missing()
    if asked == "compiled" and problem:
        raise UserError(f"--engine compiled: {problem}")
    if asked is None and problem:
        console.print(f"simulating with --engine python, far slower than compiled: {problem}")
    return asked or ("python" if problem else "compiled")


def _compile(options: argparse.Namespace, subject: Subject) -> Program:
    widest = max(conv.width for conv in subject.network.convs)
    return compile_network(
        subject.network,
        array=options.array,
        pixels=options.pixels or max(DEFAULT_PIXELS, widest),
        channels=options.channels,
        fill=options.fill,
        index_port=options.index_port,
        index_buffer=options.index_buffer,
    )


def _setup(
    options: argparse.Namespace,
    subject: Subject,
    program: Program,
    engine: str,
    given: Sequence[str],
) -> Setup:
    parameters, port = program.parameters, program.index_port
    return Setup(
        model=subject.model,
        dataset=subject.dataset,
        array=parameters.array,
        pixels=parameters.pixels,
        channels=parameters.channels,
        fill=parameters.fill,
        first_image=options.first,
        seed=options.seed,
        stalls=options.stalls,
        command=shlex.join(["python", "-m", "sim.run", *given]),
        engine=engine,
        clock_mhz=options.clock,
        index_port=port.bits if port else None,
        index_buffer=port.buffer_words if port else None,
    )


def _expected(program: Program, batches: Sequence[Batch]) -> int:
    """Cycles that the batches will take, nearly."""
    images = sum(len(batch.images) for batch in batches)
    each = max(total_cycles(program), program.load_cycles)
    return len(batches) * program.load_cycles + images * each


def _simulate(
    job: Job, batches: Sequence[Batch], options: argparse.Namespace, progress: SimulationProgress
) -> _Simulated:
    """Build the simulator and run all batches; raises KeyboardInterrupt without any image."""
    started = time.monotonic()
    progress.stage("building the simulator")
    job = replace(job, library=prepare(job.program, job.engine, progress.stage))
    built = time.monotonic()
    progress.stage("simulating", total=progress.cycles)
    results = run_all(
        job,
        batches,
        jobs=options.jobs or 1,
        scheduler=options.scheduler,
        on_progress=progress.update,
    )
    if not results.batches:
        raise KeyboardInterrupt
    asked = sum(len(batch.images) for batch in batches)
    outcome = Outcome(tuple(predict(job.program)), job.number, asked, results.batches)
    seconds = time.monotonic() - started
    return _Simulated(outcome, results.interrupted, seconds, built - started)


def _write(
    setup: Setup,
    subject: Subject,
    program: Program,
    simulated: _Simulated,
    options: argparse.Namespace,
    console: Console,
) -> None:
    """The report, to its folder and to the terminal."""
    outcome = simulated.outcome
    report = build_report(
        setup,
        program,
        outcome,
        subject.images,
        subject.labels,
        simulated.seconds,
        prepare_seconds=simulated.building,
        class_names=subject.classes,
    )
    write_report(report, options.out)
    if options.tensors:
        images = subject.images[: outcome.images]
        save_tensors(subject.network, images, outcome, options.out / TENSORS)
    for table in terminal_tables(report, console.width):
        console.print(table)
    console.print(f"report: {options.out / HTML}, {options.out / MARKDOWN}")


def _interrupted(outcome: Outcome) -> int:
    """Say what the report covers; returns the exit status."""
    found = f"; {outcome.problem}" if outcome.problem else ""
    covered = f"the first {outcome.images:,} of {outcome.asked:,} images"
    print(f"interrupted: the report covers {covered}{found}", file=sys.stderr)
    return INTERRUPTED


if __name__ == "__main__":
    run_command(main)
