"""Measures how fast the simulation is on this machine, each engine on the same circuits.

    python -m sim.bench

Cases: the shipped digits on a small array, where CXXRTL's compile time can be borne; on the
default array; and ResNet-18's 3x3 layers. Engines: ``python`` and ``compiled`` are those of
sim.run, with everything observed and compared with the golden model; ``observed`` is the compiled
one without the comparison; ``verilator`` and ``cxxrtl`` run the same circuit without probe and look
at nothing, to show what observing costs and what the other translator would do. Writes sim.json and
sim.md.
"""

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from model import datasets
from model.errors import UserError, run_command
from model.files import git_commit, make_folder, write_text
from model.shipped import load_model
from sim.bench.measure import Case, Row, measure
from sim.bench.table import markdown, ratios, table
from sim.compiled.toolchain import find_toolchain, missing
from sim.stacks import stack_network
from sim.synthetic import random_images

__all__ = ["main"]

STACK_IMAGES = 4
# Of the table, where there is no terminal to ask.
LINE_WIDTH = 120
# Engines by case; cxxrtl only where it compiles within a minute.
PLANS = {
    "small": ("python", "compiled", "observed", "verilator", "cxxrtl"),
    "default": ("python", "compiled", "observed", "verilator"),
    "direct": ("python", "compiled"),
    "resnet18": ("compiled", "observed", "verilator"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m sim.bench``."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    if options.seconds <= 0:
        raise UserError(f"--seconds must be more than 0, not {options.seconds:g}")
    width = None if sys.stdout.isatty() else LINE_WIDTH
    console = Console(highlight=False, soft_wrap=True, width=width)
    make_folder(options.out)
    tools = find_toolchain()
    if tools is None:
        console.print(f"only the python engine is measured: {missing()}")
    rows: list[Row] = []
    for name in options.cases or PLANS:
        case = _case(name)
        for engine in PLANS[name]:
            if tools or engine == "python":
                started = time.monotonic()

                def say(what: str, where: str = f"{name}: {engine}") -> None:
                    console.print(f"{where}: {what} ...")

                say("measuring")
                rows.append(measure(case, engine, tools, options.seconds, say))
                console.print(f"{name}: {engine}: {time.monotonic() - started:.0f} s in all")
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {
            "python": platform.python_version(),
            "amaranth": version("amaranth"),
            "tools": tools.versions if tools else None,
        },
        "commit": git_commit(),
        "command": shlex.join(["python", "-m", "sim.bench", *given]),
    }
    report = [row.plain() | facts for row in rows]
    write_text(options.out / "sim.json", json.dumps(report, indent=2) + "\n")
    write_text(options.out / "sim.md", markdown(rows, facts) + "\n")
    console.print(table(rows))
    for line in ratios(rows):
        console.print(line)
    console.print(f"results: {options.out / 'sim.json'}, {options.out / 'sim.md'}")


def _case(name: str) -> Case:
    if name == "resnet18":
        network = stack_network(name, tau=5, seed=0)
        images = random_images(0, network, STACK_IMAGES)
        return Case(network, images, ("--stack", name), "shared", 56, 16)
    network = load_model("digits")
    images = datasets.load("digits", None, "test").images
    array = "direct" if name == "direct" else "shared"
    pixels, channels = (8, 4) if name == "small" else (32, 16)
    return Case(network, images, ("--model", "digits"), array, pixels, channels)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.bench",
        usage="%(prog)s [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--cases", nargs="+", choices=PLANS, help=f"default: {' '.join(PLANS)}")
    add("--seconds", type=float, default=10, help="of simulation in python (default: 10)")
    add("--out", type=Path, default=Path("build/bench"), help="folder of the results")
    return parser


if __name__ == "__main__":
    run_command(main)
