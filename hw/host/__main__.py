"""Talks to a board over its USB cable, or to a simulated one.

    python -m hw.host info --port /dev/ttyUSB0
    python -m hw.host classify --port /dev/ttyUSB0 pictures/
    python -m hw.host verify --port sim --model digits --images 100
    python -m hw.host load --port /dev/ttyUSB0 --model FILE

Exit status: 0 all well, 1 a value on the board differs, 2 bad input or no such board, 130
interrupted.
"""

import sys
from collections.abc import Sequence

from rich.console import Console

from hw.host import commands
from hw.host.connect import connected
from hw.host.options import make_parser
from hw.host.pictures import find_pictures
from model.errors import UserError, run_command
from model.shipped import load_model

__all__ = ["main"]

LINE_WIDTH = 100  # where there is no terminal to ask


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    options = make_parser(__doc__).parse_args(sys.argv[1:] if arguments is None else arguments)
    # What can be refused without a board comes first.
    files = find_pictures(options.pictures) if options.command == "classify" else []
    if options.command == "load" and options.model is None:
        raise UserError("name the network to load with --model")
    if options.model is not None:
        load_model(options.model)
    width = None if sys.stdout.isatty() else LINE_WIDTH
    console = Console(highlight=False, width=width)
    with console.status("") as status:
        with connected(options, status.update) as board:
            status.stop()
            if options.command == "classify":
                commands.classify(board, options, console, files)
            else:
                getattr(commands, options.command)(board, options, console)
    return 0


if __name__ == "__main__":
    run_command(main)
