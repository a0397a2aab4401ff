"""Estimates beside what Yosys made of the same designs: ``python -m hw.check_estimates``.

Prints each design that was synthesised (`hw/flow/calibration.json`, which the estimate is fitted
to, and `hw/flow/unfitted.json`, which it has never seen) with LUTs and block RAM, estimated and
measured. Nothing is synthesised: the measurements are recorded. Exit status 1 where LUTs are more
than 15 % off, or block RAM is not the same.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hw.compiler import compile_network
from hw.engine_program import Program
from hw.flow.estimate import CALIBRATION, estimate
from hw.flow.resources import Resources
from model.errors import CheckError, run_command
from model.nets import NETS
from model.network import Network
from model.shipped import load_model

__all__ = ["UNFITTED", "Comparison", "comparisons", "main", "network_of"]

UNFITTED = Path(__file__).parent / "flow" / "unfitted.json"
LIMIT = 0.15
MADE_UP = "cnv"  # of random weights from this seed, as it is not shipped
SEED = 0


@dataclass(frozen=True)
class Comparison:
    """A design that was synthesised: what it is, whether the estimate was fitted to it."""

    name: str
    program: Program
    fitted: bool
    estimated: Resources
    measured: Resources

    @property
    def off(self) -> float:
        """By how much the estimate of the LUTs is too high, as a share of the measured ones."""
        return self.estimated.lut / self.measured.lut - 1

    @property
    def good(self) -> bool:
        return abs(self.off) <= LIMIT and self.estimated.bram == self.measured.bram


@cache
def network_of(name: str) -> Network:
    """A shipped network, or the made-up one."""
    if name != MADE_UP:
        return load_model(name)
    # The simulation knows the hardware, not the other way round: only this network joins them.
    from sim.synthetic import random_network

    config = NETS[name]
    return random_network(
        SEED,
        image=config.image,
        levels=config.levels,
        channels=tuple(count for count, _ in config.layers),
        pools=tuple("max2" if pooled else "none" for _, pooled in config.layers),
        name=name,
    )


def comparisons() -> Iterator[Comparison]:
    """All recorded designs, those that the estimate is fitted to first."""
    fitted = json.loads(CALIBRATION.read_text("utf-8"))
    for row in fitted["rows"]:
        yield _comparison(row, fitted["model"], True)
    for row in json.loads(UNFITTED.read_text("utf-8"))["rows"]:
        yield _comparison(row, row["model"], False)


def _comparison(row: dict, model: str, fitted: bool) -> Comparison:
    shape = {name: row[name] for name in ("array", "pixels", "channels")}
    program = compile_network(network_of(model), **shape, fill=row["fill"] or None)
    fill = f", F {row['fill']}" if row["fill"] else ""
    return Comparison(
        f"{row['family']} {model} {row['array']} {row['pixels']}x{row['channels']}{fill}",
        program,
        fitted,
        estimate(program, row["family"]),
        Resources(**row["resources"]),
    )


def main() -> None:
    """The command; raises CheckError where an estimate is too far off."""
    argparse.ArgumentParser(prog="python -m hw.check_estimates", description=__doc__).parse_args()
    found = list(comparisons())
    print(f"{'design':36}{'LUT est.':>10}{'by Yosys':>10}{'':>9}{'BRAM est.':>11}{'by Yosys':>10}")
    for one in found:
        print(
            f"{one.name:36}{one.estimated.lut:>10,}{one.measured.lut:>10,}{one.off:>+9.1%}"
            f"{one.estimated.bram:>11g}{one.measured.bram:>10g}"
            f"{'' if one.fitted else '  never fitted to'}"
        )
    if bad := [one.name for one in found if not one.good]:
        raise CheckError(
            f"more than {LIMIT:.0%} of the LUTs or any block RAM off: {'; '.join(bad)}"
        )


if __name__ == "__main__":
    run_command(main)
