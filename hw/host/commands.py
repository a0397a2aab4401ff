"""The commands of ``python -m hw.host``, each given a board."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from hw.cycles import total_cycles
from hw.host.board import Board
from hw.host.connect import check_design, find_circuit, find_network
from hw.host.exchange import LINE_BITS
from hw.host.load import load_network
from hw.host.page import Shown, page, write_page
from hw.host.pictures import read_picture
from hw.link.payloads import Answer, Tally
from hw.loading.guest import compile_for
from model import datasets, golden
from model.errors import CheckError, UserError
from model.format import Network
from model.shipped import load_model

__all__ = ["bench", "classify", "first_difference", "info", "load", "verify"]

NOISE_SEED = 0
COUNTED = {
    Tally.IMAGES: "images answered",
    Tally.LINE: "frames with a byte that had no stop bit",
    Tally.OVERFLOW: "frames without room",
    Tally.FRAME: "frames cut or of a wrong length",
    Tally.CHECK: "frames with a wrong check sum",
    Tally.REQUEST: "packets that are no request",
}


def info(board: Board, options: argparse.Namespace, console: Console) -> None:
    """What the board is, and what it has counted."""
    if options.model is not None:
        check_design(board, find_network(board, options.model)[1], options.built)
    about, counters = board.info, board.counters()
    table = Table(title=f"The board at {board.port.name}", show_header=False)
    array = f"{about.array}, {about.pixels} pixels x {about.channels} channels"
    rows = {
        "network": f"{about.name} ({about.network.hex()})" if about.has_network else "none",
        "design": about.design.hex(),
        "images": f"{about.colours} x {about.height} x {about.width}, {about.classes} classes",
        "array": f"{array}, {about.fill} filling" if about.fill else array,
        "clock": f"{about.clock_hz / 1e6:g} MHz",
        "cycles of an image": f"{about.cycles:,}",
        "images at once": f"{about.window}",
        "network loadable": "yes" if about.loadable else "no",
        "protocol": f"version {about.version}",
        "cycles of the last image": f"{counters.cycles:,}",
    }
    rows |= {COUNTED[kind]: f"{counters.tally[kind]:,}" for kind in Tally}
    for row in rows.items():
        table.add_row(*row)
    console.print(table)


def classify(
    board: Board, options: argparse.Namespace, console: Console, files: Sequence[Path]
) -> None:
    """A table: picture, class, score and by how much it won; and a page that shows them."""
    name, network = find_network(board, options.model)
    shape = (board.info.colours, board.info.height, board.info.width)
    pictures = [read_picture(file, shape) for file in files]
    names = class_names(network)
    table = Table(title=f"{len(files):,} pictures by {name} on {board.port.name}")
    for place, head in enumerate(("picture", "class", "score", "next class", "its score", "us")):
        table.add_column(head, justify="right" if place in (2, 4, 5) else "left")
    shown, started = [], board.port.now()
    for file, image, answer in zip(files, pictures, board.classify(pictures), strict=True):
        order = sorted(range(len(answer.scores)), key=lambda n: -answer.scores[n])
        other = next(((names[n], answer.scores[n]) for n in order if n != answer.label), None)
        micros = answer.cycles / board.info.clock_hz * 1e6
        label, score = names[answer.label], answer.scores[answer.label]
        shown.append(Shown(file.name, image, label, score, other, micros))
        after = (other[0], f"{other[1]:,}") if other else ("", "")
        table.add_row(file.name, label, f"{score:,}", *after, f"{micros:,.1f}")
    seconds = board.port.now() - started
    console.print(table)
    if options.page:
        facts = (
            f"{len(files):,} pictures by {name} on {board.port.name} at "
            f"{board.info.clock_hz / 1e6:g} MHz: {len(files) / seconds:,.1f} images/s over the line"
        )
        write_page(options.page, page(f"Classified by {name}", facts, shown))
        console.print(f"page: {options.page}")


def class_names(network: Network) -> tuple[str, ...]:
    """Of the data set that the network was trained on, else numbers."""
    name = network.provenance.get("dataset")
    if name in datasets.NAMES:
        classes = datasets.source(name).classes
        if len(classes) == network.head.classes:
            return classes
    return tuple(str(number) for number in range(network.head.classes))


def bench(board: Board, options: argparse.Namespace, console: Console) -> None:
    """Images a second, the line's use, the engine's share of the time."""
    images, what = _images(board, options)
    port, traffic = board.port, board.exchange.traffic
    sent, started = traffic.sent, port.now()
    answers = list(board.classify(images))
    seconds = port.now() - started
    cycles = sum(answer.cycles for answer in answers)
    use = (traffic.sent - sent) * LINE_BITS / port.baud / seconds
    table = Table(title=f"{len(answers):,} images of {what} on {port.name}", show_header=False)
    rows = {
        "images/s": f"{len(answers) / seconds:,.1f}",
        "line": f"{port.baud:,.0f} baud, {use:.1%} of it used",
        "cycles of an image": f"{cycles / len(answers):,.0f}",
        "engine at work": f"{cycles / board.info.clock_hz / seconds:.1%} of the time",
        "requests sent again": f"{traffic.again:,}",
        "broken replies": f"{traffic.broken:,}",
    }
    for row in rows.items():
        table.add_row(*row)
    console.print(table)


def verify(board: Board, options: argparse.Namespace, console: Console) -> None:
    """Raises CheckError that names the first difference."""
    name, network = find_network(board, options.model)
    program = check_design(board, network, options.built)
    images, what = _images(board, options)
    trace = golden.trace(network, images)
    cycles = total_cycles(program)
    answers = board.classify(images)
    for number, answer in enumerate(
        track(answers, "comparing", len(images), console=console, transient=True)
    ):
        expected = Answer(cycles, int(trace.classes[number]), tuple(trace.scores[number].tolist()))
        if problem := first_difference(answer, expected):
            raise CheckError(f"image {number} of {what}: {problem}")
    console.print(
        f"{len(images):,} images of {what} on {board.port.name}: class, {network.head.classes} "
        f"scores and {cycles:,} cycles of each are those of {name} in golden model and cycle model"
    )


def load(board: Board, options: argparse.Namespace, console: Console) -> None:
    """Writes the network into the board; then verifies as many images as are asked for."""
    network = load_model(options.model)
    program = compile_for(network, find_circuit(board, options.built))
    port, started = board.port, board.port.now()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"loading {options.model}")
        loaded = load_network(
            board, program, lambda done, of: progress.update(task, completed=done, total=of)
        )
    console.print(
        f"{port.name} runs {options.model} ({board.info.network.hex()}): {loaded.bytes:,} bytes in "
        f"{port.now() - started:.3f} s, check sum {loaded.check_sum:08x} read back"
    )
    if options.images:
        verify(board, options, console)


def first_difference(answer: Answer, expected: Answer) -> str | None:
    """In words, the first value in which an answer differs from what it should be."""
    for k, (score, wanted) in enumerate(zip(answer.scores, expected.scores, strict=True)):
        if score != wanted:
            return f"score of class {k} is {score:,} on the board, {wanted:,} in the golden model"
    if answer.label != expected.label:
        return f"class {answer.label} on the board, {expected.label} in the golden model"
    if answer.cycles != expected.cycles:
        return f"{answer.cycles:,} cycles on the board, {expected.cycles:,} predicted"
    return None


def _images(board: Board, options: argparse.Namespace) -> tuple[np.ndarray, str]:
    """uint8 [N, colours, height, width], and what they are."""
    about, count = board.info, options.images
    if count < 1:
        raise UserError(f"--images must be at least 1, not {count}")
    shape = (about.colours, about.height, about.width)
    if options.noise:
        rng = np.random.default_rng(NOISE_SEED)
        return rng.integers(0, 256, (count, *shape), np.uint8), "noise"
    _, network = find_network(board, options.model)
    name = network.provenance.get("dataset")
    if name is None:
        raise UserError("the network does not say what it was trained on: use --noise")
    data = datasets.load(name, options.data, "test")
    if count > len(data.images):
        raise UserError(f"--images {count:,}: {name} has {len(data.images):,} test images")
    return data.images[:count], f"{name}'s test part"
