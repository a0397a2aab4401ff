"""What sub-bit weights give over plain 1-bit weights, on the same engine, from simulated cycles.

    python -m sim.speedup --net resnet18 --bits 0.56
    python -m sim.speedup --net resnet34 --bits 0.44 --basis lut --luts 16640 50720

Runs the network's 3x3 layers (random weights) on a direct array with plain kernels and on shared
arrays, every tensor compared with the golden model and every layer's cycles with the prediction.
Bases: dot9, equal numbers of dot9 units; lut, equal 7-series LUTs of the fastest engine of each
kind, by Yosys. Writes report.json, report.md and report.png.

Exit status: 0 done, 1 a value or a cycle count is wrong, 2 bad input, 130 interrupted (without a
report; circuits compiled and synthesised so far are kept, so that the next run is faster).
"""

import shlex
import sys
from collections.abc import Sequence

from rich.console import Console

from model.errors import UserError, run_command
from sim.compiled.toolchain import missing
from sim.speedup.bases import BASES
from sim.speedup.measure import Measurer
from sim.speedup.options import Question, make_parser
from sim.speedup.report import FILES, build_report, prepare, write_report
from sim.speedup.text import findings, table

__all__ = ["main"]

# Of the table, where there is no terminal to ask.
LINE_WIDTH = 160


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``python -m sim.speedup``; returns its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = make_parser(__doc__, tuple(BASES)).parse_args(given)
    if options.engine == "compiled" and (problem := missing()):
        raise UserError(f"--engine compiled: {problem}")
    question = Question.of(options)
    prepare(question.out)
    width = None if sys.stdout.isatty() else LINE_WIDTH
    console = Console(highlight=False, soft_wrap=True, width=width)
    measurer = Measurer(question.net, options.seed, options.engine, options.limit, console)
    rows = []
    for basis in dict.fromkeys(options.basis):
        for row in BASES[basis](question, measurer):
            rows.append(row)
            console.print(f"{basis}: {row['speedup']:.3f}x")
    if not rows:
        raise UserError(
            f"--units and --lookups: no array of theirs has as few channels as {question.net}"
        )
    command = shlex.join(["python", "-m", "sim.speedup", *given])
    report = build_report(question, rows, options.engine, command)
    write_report(report, question.out)
    console.print(table(report))
    for line in findings(report):
        console.print(f"- {line}")
    console.print("report: " + ", ".join(str(question.out / name) for name in FILES))
    return 0


if __name__ == "__main__":
    run_command(main)
