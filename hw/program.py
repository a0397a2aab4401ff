"""Put a bitstream into a board: ``python -m hw.program --board ulx3s_85f``.

Takes what `hw.build` left in build/BOARD, or ``--bitstream FILE``. It stays until power is cut;
``--flash`` keeps it. Errors are one line, with exit status 2.
"""

import argparse
import json
import sys
from pathlib import Path

from hw.boards import find_board
from hw.flow.programmers import PROGRAMMERS, Programmer, explain
from hw.flow.progress import Progress
from hw.flow.tools import find_tool, run_told
from model.errors import OneLineParser, UserError, run_command

__all__ = ["main"]

SUFFIXES = (".bit", ".bin", ".fs")


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m hw.program", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--board", required=True, metavar="BOARD", help="as hw.build --list-boards has them")
    add("--bitstream", type=Path, metavar="FILE", help="default: that in build/BOARD")
    add("--flash", action="store_true", help="keep it when power is cut")
    return parser


def find_programmer(board: str) -> Programmer:
    """The first of a board's programmers that is installed; else UserError says what to install."""
    refusals = []
    for programmer in PROGRAMMERS.get(board, ()):
        try:
            find_tool(programmer.tool)
        except UserError as error:
            if programmer.tool.named:
                raise
            refusals.append(f"{error}")
        else:
            return programmer
    if not refusals:
        raise UserError(f"no programmer is known for {board}: its maker's has to do")
    raise UserError("; or: ".join(refusals))


def find_bitstream(board: str, given: Path | None) -> Path:
    """The bitstream to load; raises UserError where there is none, or it is another board's."""
    folder = given.parent if given else Path("build") / board
    report = _report(folder)
    if given is None:
        command = f"python -m hw.build --board {board}"
        if report is None:
            raise UserError(f"{folder} holds no finished build: {command}, or name a --bitstream")
        names = [name for name in report["products"] if Path(name).suffix in SUFFIXES]
        if report["stage"] != "bitstream" or not names:
            raise UserError(
                f"the build in {folder} ended at the netlist, without a bitstream: "
                f"{folder / 'report.md'} says why"
            )
        given = folder / names[0]
    if not given.is_file():
        raise UserError(f"there is no bitstream {given}")
    if report and given.name in report["products"] and report["board"] != board:
        raise UserError(f"{given} was built for {report['board']}, not for {board}")
    return given


def _report(folder: Path) -> dict | None:
    """The report of the build in a folder; None where there is none that can be read."""
    try:
        report = json.loads((folder / "report.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return report if {"board", "stage", "products"} <= set(report) else None


def main(argv: list[str] | None = None) -> int:
    """The command; see the module's text."""
    args = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    board = find_board(args.board)
    bitstream = find_bitstream(board.name, args.bitstream)
    programmer = find_programmer(board.name)
    said: list[str] = []
    with Progress().stage(f"program {board.title} with {programmer.tool.name}") as stage:

        def told(line: str) -> None:
            said.append(line)
            stage.line = line.strip()

        command = [*find_tool(programmer.tool), *programmer.arguments(bitstream, flash=args.flash)]
        status = run_told(command, Path.cwd(), told)
    if status:
        raise UserError(f"{programmer.tool.name} failed: {explain(said)}")
    print(f"{bitstream} runs on {board.title}{' and stays there' if args.flash else ''}")
    return 0


if __name__ == "__main__":
    run_command(main)
