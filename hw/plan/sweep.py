"""The sweep of ``--explore``: plans everything, draws it, and synthesises the front if asked."""

import argparse
from fractions import Fraction

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hw.boards import Board
from hw.plan.chart import draw
from hw.plan.explore import front, points, shapes
from hw.plan.point import Plan
from hw.plan.report import PICTURE
from hw.plan.verify import verify
from model.codebooks import TAU_OF_BITS
from model.errors import CheckError
from model.files import write_whole
from model.network import Network

__all__ = ["sweep"]


def sweep(
    network: Network, board: Board, clock: Fraction, options: argparse.Namespace
) -> tuple[list[Plan], list[dict]]:
    """(front, resources by Yosys of each of its designs, if asked for); writes the picture.

    Raises CheckError where no shape can be built.
    """
    taus = sorted({TAU_OF_BITS[text] for text in options.bits})
    swept = list(shapes(network, board, taus))
    with _progress() as shown:
        task = shown.add_task("planning", total=len(swept))
        plans = points(network, board, clock, swept, lambda: shown.advance(task))
    if not plans:
        raise CheckError(f"no array that {board.part} may hold runs {network.name}")
    best = front(plans, lambda one: one.resources["lut"]["used"])
    title = f"{network.name} on {board.title}: {len(plans)} designs"
    write_whole(options.out / PICTURE, lambda file: draw(plans, board, title, file))
    checked: list[dict] = []
    if options.verify:
        with _progress() as shown:
            task = shown.add_task("synthesising the front", total=len(best))
            for _, found in verify(network, best, options.jobs):
                checked.append(found)
                shown.advance(task)
    return best, checked


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        transient=True,
    )
