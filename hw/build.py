"""Build a network's engine for a board: ``python -m hw.build --board arty_a7``.

For every board: elaborate, synthesise, count against what the part has. Then place and route, and a
bitstream: for the ULX3S always, for the Arty where its tools are installed (``--flow``). Ends with
``report.json`` and ``report.md`` in the output folder; with exit status 1 for a design that does
not fit or misses its clock, 2 for bad input.
"""

import argparse
import shlex
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from hw.boards import BOARDS, find_board
from hw.flow.autosize import choose
from hw.flow.builder import Request, build, tools_of
from hw.flow.fastest import build_fastest
from hw.flow.flows import FLOWS, choose_flow
from hw.flow.outdir import prepare_folder
from hw.flow.progress import Progress
from hw.flow.report import BuildReport, overfull, write_report
from hw.flow.routers import ROUTERS
from hw.flow.tools import find_tool
from hw.loading.guest import made_loadable
from hw.params import ARRAYS
from hw.uart import bit_cycles
from model import shipped
from model.errors import CheckError, OneLineParser, UserError, run_command

__all__ = ["check", "main"]

MAX_CLOCK_MHZ = 1000
AUTO = "auto"
# What to lower when a resource runs out; block RAM mostly holds the network itself.
REMEDIES = {"bram": "lower --pixels or --channels, or take a smaller network"}


class _ListBoards(argparse.Action):
    """Prints a line for each board: name, part, how far its build goes, clock."""

    def __call__(self, parser, namespace, values, option=None) -> NoReturn:
        for board in BOARDS.values():
            router = ROUTERS.get(board.family)
            stage = "bitstream" if router is None or router.proven else "placed"
            if choose_flow(board, "auto").name == "netlist":
                stage = "netlist"
            print(
                f"{board.name:12} {board.title:24} {board.part:20} {stage:10} "
                f"{board.default_clock_mhz} MHz"
            )
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m hw.build", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--board", required=True, metavar="BOARD", help=f"one of {', '.join(BOARDS)}")
    add("--list-boards", action=_ListBoards, nargs=0, help="say what boards there are, and end")
    add(
        "--model", default=shipped.DEFAULT, metavar="FILE|NAME",
        help=f"exported network, or a shipped one by name (default {shipped.DEFAULT})",
    )  # fmt: skip
    add("--array", metavar="|".join(ARRAYS), help="how the array computes (default shared)")
    add("--pixels", type=int, metavar="P", help="lanes (default: the largest array that fits)")
    add("--channels", type=int, metavar="C", help="input channels at once (default as above)")
    add("--fill", type=int, metavar="F", help="dot9 units a lane that fill the tables (shared)")
    add(
        "--flow", default="auto", metavar="|".join(FLOWS),
        help="how to go on from the netlist (default auto: as far as what is installed goes)",
    )  # fmt: skip
    add(
        "--loadable", action="store_true",
        help="let python -m hw.host load put other networks into the running board",
    )  # fmt: skip
    add(
        "--clock", metavar="MHZ|auto",
        help="the engine's clock (default: the board's; auto: the highest that closes)",
    )  # fmt: skip
    add("--baud", type=int, default=1_000_000, help="the serial line's speed (default 1000000)")
    add("--out", type=Path, metavar="DIR", help="output folder (default build/BOARD)")
    return parser


def _clock(text: str | None, default: int) -> Fraction:
    """A clock in MHz, exact."""
    if text in (None, AUTO):
        return Fraction(default)
    try:
        clock = Fraction(text)
    except (ValueError, ZeroDivisionError):
        clock = Fraction(0)
    if not 0 < clock <= MAX_CLOCK_MHZ:
        raise UserError(
            f"--clock must be {AUTO} or MHz above 0 and up to {MAX_CLOCK_MHZ}, not {text!r}"
        )
    return clock


def _usable(clock: Fraction, baud: int) -> bool:
    """Whether a serial line of that speed can be had from the clock."""
    try:
        bit_cycles(float(clock * 1_000_000), baud)
    except ValueError:
        return False
    return True


def _request(args: argparse.Namespace, command: str, progress: Progress) -> Request:
    """Everything that can be refused before the work, in the order of the command line."""
    board = find_board(args.board)
    if args.array is not None and args.array not in ARRAYS:
        raise UserError(f"--array must be one of {', '.join(ARRAYS)}, not {args.array!r}")
    for name in ("pixels", "channels", "fill", "baud"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} must be at least 1, not {value}")
    clock = _clock(args.clock, board.default_clock_mhz)
    flow = choose_flow(board, args.flow)
    if args.clock == AUTO and flow.name == "netlist":
        raise UserError(f"--clock {AUTO} needs a router: name a clock in MHz. {flow.reason}")
    try:
        settings = board.pll_settings(clock)
        bit_cycles(float(clock * 1_000_000), args.baud)
    except ValueError as error:
        raise UserError(f"{error}") from error
    network = shipped.load_model(args.model)
    for tool in tools_of(board, flow):
        find_tool(tool)
    with progress.stage("choose the array"):
        choice = choose(
            network,
            flow.usable(board),
            array=args.array,
            pixels=args.pixels,
            channels=args.channels,
            fill=args.fill,
        )
    return Request(
        board=board,
        program=made_loadable(choice.program) if args.loadable else choice.program,
        model=args.model,
        choice=choice.reason,
        clock_mhz=clock,
        settings=settings,
        baud=args.baud,
        folder=args.out or Path("build") / board.name,
        command=command,
        flow=flow,
    )


def check(report: BuildReport) -> None:
    """Raise CheckError for a design that does not fit its part or misses its clock."""
    parameters = report.parameters
    problems = []
    for name in overfull(report.resources):
        row = report.resources[name]
        remedy = REMEDIES.get(name, "lower --pixels or --channels")
        problems.append(
            f"the design needs {row['used']:,g} {name} and {report.part} has "
            f"{row['available']:,g}: {remedy} (now {parameters['pixels']} pixels, "
            f"{parameters['channels']} channels)"
        )
    if report.risks:
        problems.append(
            "no bitstream was made, for the router is known to get parts of this netlist wrong "
            f"without a word: {'; '.join(report.risks)}: take another version of it, or another "
            "--flow"
        )
    if report.timing_met is False:
        path = report.critical_path
        where = f"; critical path {path['text']}" if path else ""
        problems.append(
            f"timing missed: {report.fmax_mhz:.2f} MHz reached, {report.clock_mhz:g} MHz wanted, "
            f"{report.clock_mhz - report.fmax_mhz:.2f} MHz short: lower --clock, --pixels or "
            f"--channels{where}"
        )
    if problems:
        raise CheckError("; ".join(problems))


def _summary(report: BuildReport, folder: Path) -> str:
    used = ", ".join(
        f"{row['used']:,g} of {row['available']:,g} {name}"
        for name, row in report.resources.items()
    )
    lines = [
        f"{report.stage} for {report.title} ({report.part}) in {report.seconds:.0f} s",
        f"  {used}",
        f"  {report.cycles_per_image:,} cycles an image: {report.images_per_second:,.0f} images/s "
        f"at {report.clock_mhz:g} MHz",
    ]
    if report.fmax_mhz is not None:
        lines.append(f"  highest clock {report.fmax_mhz:.2f} MHz")
    if report.critical_path:
        lines.append(f"  critical path {report.critical_path['text']}")
    lines += [f"  {note}" for note in report.notes]
    return "\n".join([*lines, f"  report: {folder / 'report.md'}"])


def main(argv: list[str] | None = None) -> int:
    """The command; see the module's text."""
    arguments = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(arguments)
    command = shlex.join(["python", "-m", "hw.build", *arguments])
    progress = Progress()
    request = _request(args, command, progress)
    prepare_folder(request.folder)
    progress.say(f"{request.board.title}, network {request.program.network.name}")
    progress.say(request.choice)
    if request.flow.reason:
        progress.say(request.flow.reason)
    if args.clock == AUTO:
        clocks = [clock for clock in request.board.clocks() if _usable(clock, request.baud)]
        report = build_fastest(request, clocks, progress)
    else:
        report = build(request, progress)
    write_report(report, request.folder)
    print(_summary(report, request.folder))
    check(report)
    return 0


if __name__ == "__main__":
    # Ended from outside, it stops its tools as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run_command(main)
