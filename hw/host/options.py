"""The options of ``python -m hw.host``."""

import argparse
from pathlib import Path

from model.errors import OneLineParser
from model.shipped import DEFAULT

__all__ = ["BAUD", "SIM", "make_parser"]

SIM = "sim"
BAUD = 1_000_000
COMMANDS = {
    "info": "what the board is and has counted",
    "classify": "classes of PNG and JPEG files, or of those in a folder",
    "bench": "images a second, and how much of the line they use",
    "verify": "the board's answers against the golden model and the cycle model",
    "load": "another network into a running board that was built with --loadable",
}


def make_parser(description: str) -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m hw.host",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="|".join(COMMANDS))
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=words)
        add = command.add_argument_group("the board").add_argument
        add("--port", required=True, help=f"serial port, or {SIM}: a simulated board")
        add("--baud", type=int, help=f"as it was built (default: {BAUD}; with --port {SIM}: as "
            "fast as can be)")  # fmt: skip
        add("--model", help=f"exported file or shipped network that it should run "
            f"(default: any; with --port {SIM}: {DEFAULT})")  # fmt: skip
        add("--built", metavar="MODEL", help="network that a loadable board was built for "
            f"(default: the shipped one that it is; with --port {SIM}: {DEFAULT})")  # fmt: skip
        add = command.add_argument_group(f"the simulated board (--port {SIM})").add_argument
        add("--array", help="direct or shared (default: shared)")
        add("--pixels", type=int, help="lanes (default: 32, or the widest map's)")
        add("--channels", type=int, help="input channels at once (default: 16)")
        if name == "classify":
            command.add_argument("pictures", nargs="+", help="files and folders")
            command.add_argument("--page", type=Path, metavar="FILE.html",
                                 help="write a page with the pictures, too")  # fmt: skip
        if name in ("bench", "verify", "load"):
            add = command.add_argument_group("the images").add_argument
            count = 0 if name == "load" else 100
            more = ", to verify what was loaded" if name == "load" else ""
            add("--images", type=int, default=count, metavar="N",
                help=f"how many{more} (default: {count})")  # fmt: skip
            add("--data", type=Path, help="folder of the data sets' files (digits needs none)")
            add("--noise", action="store_true", help="random images in place of the data set's")
    return parser
