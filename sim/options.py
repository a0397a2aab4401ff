"""The options of ``python -m sim.run``."""

import argparse
from collections.abc import Callable
from pathlib import Path

from hw.params import DEFAULT_BUFFER
from model.codebooks import TAU_OF_BITS
from model.errors import UserError
from model.shipped import DEFAULT
from sim.networks import NETWORKS
from sim.report import DEFAULT_CLOCK
from sim.stacks import STACKS
from sim.verify import ENGINES
from sim.waves.request import add_options as add_waves

__all__ = ["ALL", "make_parser"]

ALL = "all"
DEFAULT_IMAGES = 10


def make_parser(description: str) -> argparse.ArgumentParser:
    """The parser; values that it can judge alone are checked by it, with one clear line."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.run",
        usage="%(prog)s [options]",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("what is simulated").add_argument
    add("--model", help=f"exported file or shipped network (default: {DEFAULT})")
    add("--dataset", help="data set of the images (default: what the network was trained on)")
    add("--data", type=Path, help="folder of the data sets' official files (digits needs none)")
    add("--stack", choices=STACKS,
        help="instead of --model: a network's 3x3 layers, random weights, noise")  # fmt: skip
    add("--net", choices=NETWORKS,
        help="instead of --model: a whole network, random weights, noise")  # fmt: skip
    add("--bits", choices=tuple(TAU_OF_BITS),
        help="of a net's or stack's 3x3 weights (default: 0.56)")  # fmt: skip
    add("--rows", type=_whole("--rows", 2),
        help="cut a net's or stack's first map to so many rows (default: all)")  # fmt: skip
    add("--images", type=_images, default=DEFAULT_IMAGES, metavar="N|all",
        help=f"how many test images (default: {DEFAULT_IMAGES})")  # fmt: skip
    add("--first", type=_whole("--first", 0), default=0, help="number of the first (default: 0)")

    add = parser.add_argument_group("the accelerator").add_argument
    add("--array", choices=("direct", "shared"), default="shared", help="default: shared")
    add("--pixels", type=_whole("--pixels"),
        help="lanes, pixels worked on at once (default: 32, or the widest map's)")  # fmt: skip
    add("--channels", type=_whole("--channels"), default=16,
        help="input channels worked on at once (default: 16)")  # fmt: skip
    add("--fill", type=_whole("--fill"),
        help="shared array: dot9 units a lane that fill the tables (default: derived)")  # fmt: skip

    add("--index-port", type=_whole("--index-port"), metavar="BITS",
        help="indices come through a port, so many bits a cycle (default: from memory on chip)",
    )  # fmt: skip
    add("--index-buffer", type=_whole("--index-buffer"), metavar="WORDS",
        help=f"index words kept behind the port, a power of two (default: {DEFAULT_BUFFER})",
    )  # fmt: skip

    add = parser.add_argument_group("the simulation").add_argument
    add("--engine", choices=ENGINES,
        help="compiled: Verilator and a C++ compiler, built once for a shape of network; python: "
        "Amaranth's simulator, about a thousand times slower (default: compiled where a C++ "
        "compiler is found)")  # fmt: skip
    add("--jobs", type=_whole("--jobs"), help="processes of this machine (default: 1)")
    add("--scheduler", metavar="ADDRESS",
        help="address of a Dask cluster to simulate on, like tcp://host:8786")  # fmt: skip
    add("--stalls", action="store_true", help="random pauses on both streams, from --seed")
    add("--seed", type=_whole("--seed", 0), default=0,
        help="seed of the pauses and of a net's or stack's weights and images (default: 0)",
    )  # fmt: skip

    add = parser.add_argument_group("what comes out").add_argument
    add("--out", type=Path, default=Path("build/sim"), help="folder of the report")
    add("--clock", type=_clock, metavar="MHZ", default=DEFAULT_CLOCK,
        help=f"clock that times and rates are given for (default: {DEFAULT_CLOCK:g})")  # fmt: skip
    add("--tensors", action="store_true",
        help="also save all tensors, RTL and golden, to tensors.npz; they are compared in any "
        "case, since that costs next to nothing beside the simulation")  # fmt: skip
    add_waves(add)
    return parser


def _whole(name: str, low: int = 1) -> Callable[[str], int]:
    """A converter for argparse: whole numbers from ``low``, or one clear line."""

    def convert(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or int(text) < low:
            raise UserError(f"{name} must be a whole number of at least {low}, not {text!r}")
        return int(text)

    return convert


def _clock(text: str) -> float:
    """A converter for argparse: a clock in MHz, or one clear line."""
    try:
        clock = float(text)
    except ValueError:
        clock = 0.0
    if not 0.001 <= clock <= 100_000:
        raise UserError(f"--clock must be a number of MHz from 0.001 to 100000, not {text!r}")
    return clock


def _images(text: str) -> int | None:
    """A number of images; None for all."""
    if text == ALL:
        return None
    if not text.isdecimal() or not int(text):
        raise UserError(f'--images must be a whole number of at least 1 or "all", not {text!r}')
    return int(text)
