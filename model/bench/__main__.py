"""Measures codebook search and training steps on this machine's CPU.

    python -m model.bench

The search for the nearest kernel of each of ResNet-18's, against the published procedure (written
from its description; the answers are compared first), and a training step of a stack as large as
CIFAR ResNet-18 with sub-bit layers, against plain binary and float ones. One thread; times are
those of the processor, the least of several rounds in which all take turns; bytes are the most that
are held in tensors at once. Writes model.json and model.md.
"""

import argparse
import importlib.util
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from model.errors import UserError, run_command
from model.files import git_commit, make_folder, write_text

__all__ = ["main"]

TAUS = (4, 5, 6)
STEP_TAU = 5
KINDS = ("refined", "antipodal", "antipodal-refined", "selected")
PARTS = ("search", "step")
HEADINGS = ("what", "against", "seconds", "its seconds", "times as fast", "MiB", "its MiB")
# Of the table, where there is no terminal to ask.
LINE_WIDTH = 120
MIB = 1 << 20


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m model.bench``; CheckError where the searches disagree."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    for name in ("rounds", "batch"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} must be at least 1, not {getattr(options, name)}")
    if options.batch < 2:
        raise UserError("--batch must be at least 2: norms need more than one image")
    if importlib.util.find_spec("torch") is None:
        raise UserError("needs torch, which is not installed: pip install '.[train]'")
    make_folder(options.out)
    # Its profiler tells of its own starts and stops on stderr else.
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")
    import torch

    from model.bench.search import measure_search
    from model.bench.step import measure_steps

    torch.set_num_threads(1)
    width = None if sys.stdout.isatty() else LINE_WIDTH
    console = Console(highlight=False, soft_wrap=True, width=width)

    def say(text: str) -> None:
        console.print(f"{text} ...")

    rows = []
    if "search" in options.parts:
        rows += [measure_search(tau, options.rounds, say=say) for tau in TAUS]
    if "step" in options.parts:
        rows += measure_steps(STEP_TAU, KINDS, options.batch, options.rounds, say=say)
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, of which one is used",
        "python": platform.python_version(),
        "torch": version("torch"),
        "commit": git_commit(),
        "command": shlex.join(["python", "-m", "model.bench", *given]),
    }
    text = json.dumps([row.plain() for row in rows], indent=2)
    write_text(options.out / "model.json", text + "\n")
    cells = [_cells(row) for row in rows]
    write_text(options.out / "model.md", _markdown(cells, facts))
    table = Table(*HEADINGS)
    for line in cells:
        table.add_row(*line)
    console.print(table)
    console.print(f"results: {options.out / 'model.json'}, {options.out / 'model.md'}")


def _cells(row) -> tuple[str, ...]:
    return (
        row.name,
        row.baseline,
        f"{row.seconds:.3f}",
        f"{row.baseline_seconds:.3f}",
        f"{row.speedup:.2f}",
        f"{row.bytes / MIB:.1f}",
        f"{row.baseline_bytes / MIB:.1f}",
    )


def _markdown(cells: list[tuple[str, ...]], facts: dict) -> str:
    lines = [HEADINGS, ("---",) * len(HEADINGS), *cells]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\n{'; '.join(f'{key}: {value}' for key, value in facts.items())}\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.bench",
        usage="%(prog)s [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: all")
    add("--rounds", type=int, default=3, help="turns each takes (default: 3)")
    add("--batch", type=int, default=32, help="images of a training step (default: 32)")
    add("--out", type=Path, default=Path("build/bench"), help="folder of the results")
    return parser


if __name__ == "__main__":
    run_command(main)
