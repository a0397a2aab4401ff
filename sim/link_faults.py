"""Disturbs the link between host and board: ``python -m sim.link_faults --trials 1000 --seed 0``.

So many trials of each kind of fault, all on one simulated board that is never reset, driven by the
host's own code: no wrong answer may come out, and every image must get its answer in the end. Then
as many of each kind while a network is loaded into another board: what it answers must be right for
the network that it says it has, or it must say that it has none; and the next load must work.
Exit status 0 when that holds, 1 when not.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hw.compiler import compile_network
from hw.loading.guest import compile_for, made_loadable
from model import golden
from model.errors import CheckError, UserError, run_command
from model.network import Network
from sim.link.faults import FAULTS, Expected, Outcome, run_trials
from sim.link.load_faults import LOAD_FAULTS, Guest, run_loads
from sim.link.port import SimulatedPort, open_simulated
from sim.synthetic import random_images, random_network

__all__ = ["expected_answers", "main", "open_loadable", "open_small", "small_network"]

NETWORK_SEED = 5
MADE_IMAGES = 200
LINE_WIDTH = 100  # where there is no terminal to ask


def small_network() -> Network:
    """Small, so that most of a trial is the link: 25 pixels, two layers, four classes."""
    return random_network(
        NETWORK_SEED, image=(1, 5, 5), levels=4, channels=(6, 8), pools=("none", "none"), classes=4
    )


def open_small(on_stage=lambda stage: None) -> SimulatedPort:
    """A board with the small network."""
    program = compile_network(small_network(), array="direct", pixels=10, channels=2)
    return open_simulated(program, on_stage=on_stage)


def other_network() -> Network:
    """One that the small network's engine can be loaded with: narrower, of fewer kernels."""
    made = random_network(
        NETWORK_SEED + 1, image=(1, 5, 5), levels=4, channels=(5, 7), pools=("none", "none"),
        tau=4, classes=4,
    )  # fmt: skip
    return replace(made, input_thresholds=small_network().input_thresholds)


def open_loadable(seed: int, on_stage=lambda stage: None) -> tuple[SimulatedPort, list[Guest]]:
    """A board with the small network that can be loaded, and two networks for it."""
    program = compile_network(small_network(), array="shared", pixels=10, channels=2)
    circuit = made_loadable(program)
    networks = (small_network(), other_network())
    guests = [Guest(compile_for(n, circuit), expected_answers(seed, n)) for n in networks]
    return open_simulated(circuit, on_stage=on_stage), guests


def expected_answers(seed: int, network: Network | None = None) -> Expected:
    """Images that all have different scores, so that no answer passes for another's; of the small
    network, or of another one."""
    network = network or small_network()
    images = random_images(seed, network, MADE_IMAGES)
    trace = golden.trace(network, images)
    _, first = np.unique(trace.scores, axis=0, return_index=True)
    answers = [
        (int(trace.classes[n]), tuple(trace.scores[n].tolist())) for n in first.tolist()
    ]
    return Expected(images[first], answers)


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Faults on the link")
    heads = ("fault", "trials", "right answers", "wrong or none", "sent again", "broken at board",
             "broken at host")  # fmt: skip
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=place == 0)
    for o in outcomes:
        counts = (o.trials, o.images, len(o.problems), o.again, o.refused, o.broken)
        table.add_row(o.kind, *(f"{count:,}" for count in counts))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {Path(__file__).parent.name}.link_faults", description=__doc__
    )
    parser.add_argument("--trials", type=int, default=1000, help="of each kind (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.trials < 1:
        raise UserError(f"--trials must be at least 1, not {options.trials}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LINE_WIDTH)
    outcomes = []
    with console.status("building the simulated board") as status:
        port = open_small(status.update)
        expected = expected_answers(options.seed)
        for kind in FAULTS:
            status.update(f"{kind}: {options.trials:,} trials")
            outcomes.append(run_trials(port, expected, kind, options.trials, options.seed))
        loadable, guests = open_loadable(options.seed, status.update)
        for kind in LOAD_FAULTS:
            status.update(f"{kind}: {options.trials:,} trials")
            outcomes.append(run_loads(loadable, guests, kind, options.trials, options.seed))
    console.print(_table(outcomes))
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    if problems:
        more = f" (and {len(problems) - 1:,} more)" if len(problems) > 1 else ""
        raise CheckError(f"{problems[0]}{more}")
    return 0


if __name__ == "__main__":
    run_command(main)
