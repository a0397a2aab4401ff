"""The question that ``python -m sim.speedup`` answers, from its options."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from model.codebooks import TAU_OF_BITS
from model.errors import OneLineParser, UserError
from sim.stacks import STACKS
from sim.verify import ENGINES

__all__ = ["Question", "make_parser"]

BITS = ("0.67", "0.56", "0.44")
LOOKUPS = (4, 8, 16, 32)
UNITS = (1,)
# 80 % of an xc7a35t's LUTs, where routers still get through.
BUDGETS = (16_640,)
PORTS = (32,)
# Above, simulating takes minutes; the largest stack here, ResNet-34 with one channel, takes less.
LIMIT = 20_000_000


@dataclass(frozen=True)
class Question:
    """What is asked: the network's name, bits a weight, lanes, and each basis' own sizes."""

    net: str
    bits: str
    pixels: int
    units: tuple[int, ...]
    lookups: tuple[int, ...]
    budgets: tuple[int, ...]
    port_bits: tuple[int, ...]
    clocks: bool
    out: Path

    @property
    def tau(self) -> int:
        """Bits of an index."""
        return TAU_OF_BITS[self.bits]

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Question":
        """From parsed options."""
        return cls(
            net=options.net,
            bits=options.bits,
            pixels=options.pixels or STACKS[options.net].size,
            units=tuple(sorted(set(options.units))),
            lookups=tuple(sorted(set(options.lookups))),
            budgets=tuple(sorted(set(options.luts))),
            port_bits=tuple(sorted(set(options.port_bits))),
            clocks=options.clocks,
            out=options.out,
        )


def make_parser(description: str, bases: tuple[str, ...]) -> argparse.ArgumentParser:
    """The parser; values that it can judge alone are refused by it, with one clear line."""
    parser = OneLineParser(
        prog="python -m sim.speedup",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--net", choices=tuple(STACKS), required=True, help="whose 3x3 layers are run")
    add("--bits", choices=BITS, required=True, help="of a sub-bit weight")
    add("--basis", nargs="+", choices=bases, default=bases, help=f"default: {' '.join(bases)}")
    add("--pixels", type=_whole("--pixels", 1024), metavar="P",
        help="lanes, but for basis lut (default: as many as the first map is wide)")  # fmt: skip
    add("--units", type=_whole("--units", 256), nargs="+", default=UNITS, metavar="F",
        help="dot9 units a lane, for basis dot9 (default: 1)")  # fmt: skip
    add("--lookups", type=_whole("--lookups", 256), nargs="+", default=LOOKUPS, metavar="L",
        help="look-ups a dot9 unit, for basis dot9 "
        f"(default: {' '.join(map(str, LOOKUPS))})")  # fmt: skip
    add("--luts", type=_whole("--luts", 1 << 24), nargs="+", default=BUDGETS, metavar="N",
        help=f"budgets for basis lut (default: {BUDGETS[0]}, four fifths of an xc7a35t)"
        )  # fmt: skip
    add("--clocks", action="store_true",
        help="basis lut: place and route both arrays on an ECP5 for their clocks (minutes)"
        )  # fmt: skip
    add("--port-bits", type=_whole("--port-bits", 4096), nargs="+", default=PORTS, metavar="B",
        help="index bits a cycle, for basis index_bandwidth "
        f"(default: {' '.join(map(str, PORTS))})")  # fmt: skip
    add("--engine", choices=ENGINES, default="compiled",
        help="python: Amaranth's simulator, for tiny things (default: compiled)")  # fmt: skip
    add("--limit", type=_whole("--limit", 1 << 40), default=LIMIT, metavar="CYCLES",
        help=f"cut a stack's maps that takes more to simulate (default: {LIMIT:,})")  # fmt: skip
    add("--seed", type=_whole("--seed", 1 << 32, 0), default=0,
        help="of weights and image (default: 0)")  # fmt: skip
    add("--out", type=Path, default=Path("build/speedup"), metavar="DIR",
        help="folder of the report (default: build/speedup)")  # fmt: skip
    return parser


def _whole(name: str, high: int, low: int = 1):
    """A type for argparse: a whole number from ``low`` to ``high``."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise UserError(f"{name} must be a whole number from {low} to {high:,}, not {text!r}")
        return value

    return read
