"""Puts reports of simulations side by side, with ratios to the first.

    python -m sim.compare build/direct build/shared --out build/compare

Each argument is a report.json of sim.run or the folder that holds it. Reports can be compared that
ran the same data set through the same layer shapes; arrays, sizes, codebooks and bits may differ.
Writes compare.json, compare.md, compare.html and compare.png.

Exit status: 0 done, 2 a report cannot be read or cannot be compared (nothing is written then).
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from model.errors import UserError, run_command
from sim.compare.data import build_comparison
from sim.compare.files import HTML, MARKDOWN, write_comparison
from sim.compare.read import read_report
from sim.compare.text import terminal_tables

__all__ = ["main"]

LINE_WIDTH = 100
MOST = 8  # more bars a layer than can be told apart


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m sim.compare``."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(
        prog="python -m sim.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT",
                        help="two or more; the first is the base of all ratios")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("build/compare"),
                        help="folder of the comparison (default: build/compare)")  # fmt: skip
    options = parser.parse_args(given)
    if not 2 <= len(options.reports) <= MOST:
        raise UserError(
            f"{len(options.reports)} report given: name 2 to {MOST}, the first to compare with"
            if len(options.reports) == 1
            else f"{len(options.reports)} reports given: name 2 to {MOST} of them"
        )
    reports = [read_report(place) for place in options.reports]
    command = shlex.join(["python", "-m", "sim.compare", *given])
    comparison = build_comparison(reports, [str(place) for place in options.reports], command)
    write_comparison(comparison, options.out)
    width = None if sys.stdout.isatty() else LINE_WIDTH
    console = Console(highlight=False, soft_wrap=True, width=width)
    for table in terminal_tables(comparison):
        console.print(table)
    console.print(f"comparison: {options.out / HTML}, {options.out / MARKDOWN}")


if __name__ == "__main__":
    run_command(main)
