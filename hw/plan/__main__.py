"""What fits a board and how fast it will be, in seconds and without synthesis.

    python -m hw.plan --model digits --board arty_a7
    python -m hw.plan --model FILE --board all --target-ips 10000
    python -m hw.plan --model FILE --board arty_a7 --explore --verify

Cycles are exact; LUTs, block RAM and the clock are estimated from measured designs, the clock where
designs for the family were routed; images/s are at the clock asked for. Writes report.json and
report.md to build/plan, with --explore also pareto.png.

Exit status: 0 done, 1 no design fits or none is as fast as asked for, 2 bad input, 130 interrupted.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from rich.console import Console

from hw.boards import BOARDS, Board, find_board
from hw.flow.autosize import choose
from hw.params import ARRAYS
from hw.plan.point import Plan, plan
from hw.plan.report import write_report
from hw.plan.text import found_words, pareto_table, table
from model import shipped
from model.codebooks import TAU_OF_BITS
from model.errors import CheckError, OneLineParser, UserError, run_command
from model.files import make_folder
from model.network import Network

__all__ = ["main"]

LINE_WIDTH = 140


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m hw.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--board", required=True, metavar="NAME|all", help=f"all, or one of {', '.join(BOARDS)}")
    add("--model", default=shipped.DEFAULT, metavar="FILE|NAME",
        help=f"exported network, or a shipped one by name (default {shipped.DEFAULT})",
        )  # fmt: skip
    add("--target-ips", type=float, metavar="N", help="images a second that are enough")
    add("--array", choices=ARRAYS, help="default: shared, where there is a codebook")
    add("--pixels", type=int, metavar="P", help="lanes (default: chosen)")
    add("--channels", type=int, metavar="C", help="input channels at once (default: chosen)")
    add("--fill", type=int, metavar="F", help="dot9 units a lane that fill the tables")
    add("--clock", metavar="MHZ", help="the engine's clock (default: the board's)")
    add("--explore", action="store_true", help="sweep all shapes and bits; Pareto front, picture")
    add("--bits", nargs="+", choices=tuple(TAU_OF_BITS), default=tuple(TAU_OF_BITS),
        help="bits a weight that --explore sweeps (default: all)")  # fmt: skip
    add("--verify", action="store_true", help="synthesise the front of --explore (minutes)")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
        help="processes of --verify (default: every core)")  # fmt: skip
    add("--out", type=Path, default=Path("build/plan"), metavar="DIR")
    return parser


def _clock(text: str | None, board: Board) -> Fraction:
    if text is None:
        return Fraction(board.default_clock_mhz)
    try:
        clock = Fraction(text)
    except (ValueError, ZeroDivisionError):
        clock = Fraction(0)
    if not 0 < clock <= 1000:
        raise UserError(f"--clock must be MHz above 0 and up to 1000, not {text!r}")
    try:
        board.pll_settings(clock)
    except ValueError as error:
        raise UserError(str(error)) from error
    return clock


def _check(options: argparse.Namespace) -> None:
    for name in ("pixels", "channels", "fill", "jobs"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} must be at least 1, not {value}")
    if options.target_ips is not None and options.target_ips <= 0:
        raise UserError(f"--target-ips must be above 0, not {options.target_ips:g}")
    if options.verify and not options.explore:
        raise UserError("--verify synthesises what --explore finds: add --explore")
    if options.explore and options.board == "all":
        raise UserError("--explore looks at one board: name it")


def _plan(network: Network, board: Board, options: argparse.Namespace) -> Plan:
    clock = _clock(options.clock, board)
    target = options.target_ips and int(clock * 1_000_000 / Fraction(options.target_ips))
    choice = choose(
        network,
        board,
        array=options.array,
        pixels=options.pixels,
        channels=options.channels,
        fill=options.fill,
        target=target,
    )
    return plan(choice.program, board, clock, choice.reason)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``python -m hw.plan``; returns its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    _check(options)
    boards = list(BOARDS.values()) if options.board == "all" else [find_board(options.board)]
    network = shipped.load_model(options.model)
    make_folder(options.out)
    console = Console(
        highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else LINE_WIDTH
    )
    plans, refusals = [], {}
    for board in boards:
        try:
            plans.append(_plan(network, board, options))
        except CheckError as error:
            refusals[board.name] = str(error)
    console.print(table(network, plans))
    for line in found_words(plans, options.target_ips):
        console.print(f"- {line}")
    for name, text in refusals.items():
        console.print(f"- {name}: {text}")
    command = shlex.join(["python", "-m", "hw.plan", *given])
    swept, checked = [], []
    if options.explore:
        from hw.plan.sweep import sweep  # with matplotlib, which a plain plan does not wait for

        swept, checked = sweep(network, boards[0], _clock(options.clock, boards[0]), options)
        console.print(pareto_table(swept, checked))
    names = write_report(network, plans, swept, checked, options.out, command)
    console.print("report: " + ", ".join(str(options.out / name) for name in names))
    enough = [p for p in plans if p.fits and p.images_per_second >= (options.target_ips or 0)]
    return 0 if enough else 1


if __name__ == "__main__":
    run_command(main)
