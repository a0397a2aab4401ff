"""Units that can be synthesised on their own: arrays, every component of an engine and of the link.

An engine's components are taken out of the engine itself, so each is measured in the very shape in
which it is used. What it takes alone is more than its share of the whole: across its borders, what
is constant or unused is not known.
"""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass

from amaranth.back import rtlil

from hw.array import make_array
from hw.array.codebook import IndexDecoder
from hw.compiler import compile_network
from hw.engine import Engine
from hw.maps.geometry import Geometry
from hw.params import ArrayParameters
from hw.starts import start_bits
from hw.stream.pool import StreamPool
from hw.stream.shape import StreamShape
from hw.stream.unit import StreamUnit
from hw.top import BoardCore
from model.shipped import load_model

__all__ = ["UNITS", "Unit"]

MODEL = "digits"  # the network of the engine
CLOCK_HZ, BAUD = 100e6, 1e6  # of the board


@dataclass(frozen=True)
class Unit:
    """How to make a unit from the options of the command line, and what it computes a cycle.

    ``make`` gives RTLIL and the name of the module in it.
    """

    make: Callable[[argparse.Namespace], tuple[str, str]]
    parameters: tuple[str, ...]
    applies_kernels: bool = False


def _shape(kind: str, options: argparse.Namespace) -> ArrayParameters:
    fill = options.fill if kind == "shared" else 0
    antipodal = not options.general and options.tau != 9
    return ArrayParameters(kind, options.pixels, options.channels, options.tau, antipodal, fill)


def _alone(component) -> tuple[str, str]:
    return rtlil.convert(component), "top"


def _stream_unit(options: argparse.Namespace) -> tuple[str, str]:
    """As a CIFAR ResNet of up to 64 channels with PReLUs wants it."""
    shape = StreamShape(
        multiplier=12,
        offset=22,
        scaled=13,
        value=12,
        threshold=12,
        before=12,
        after=12,
        shifts=(8, 9, 10),
        widths=(12,),
        cuts=((1, 0),),
        prelu=True,
    )
    return _alone(StreamUnit(shape, pixels=options.pixels, sum_bits=start_bits(64)))


def _stream_pool(options: argparse.Namespace) -> tuple[str, str]:
    """Means of 12-bit numbers of maps as wide as the lanes and half of that, 64 channels."""
    geometries = tuple(Geometry(options.pixels // n, options.pixels) for n in (1, 2))
    slots = max(geometry.pooled_slots for geometry in geometries)
    pool = StreamPool(
        ("avg2",), geometries, {0, 1}, bits=12, pixels=options.pixels, slots=slots,
        depth=64, channels=6, side_by_side=False,
    )  # fmt: skip
    return _alone(pool)


def _engine(options: argparse.Namespace) -> Engine:
    return Engine(
        compile_network(
            load_model(MODEL), pixels=options.pixels, channels=options.channels, fill=options.fill
        )
    )


def _part(text: str, name: str) -> tuple[str, str]:
    # Amaranth numbers the names of modules where a signal has them too.
    found = re.search(rf"^module \\({re.escape(name)}(\$\d+)?)$", text, re.MULTILINE)
    assert found is not None, f"there is no component {name}"
    return text, found[1]


def _engine_part(name: str, options: argparse.Namespace) -> tuple[str, str]:
    return _part(rtlil.convert(_engine(options), name="engine"), name)


def _board_part(name: str, options: argparse.Namespace) -> tuple[str, str]:
    core = BoardCore(_engine(options), clock_hz=CLOCK_HZ, baud=BAUD)
    return _part(rtlil.convert(core, name="board"), name)


_ARRAY = ("pixels", "channels", "tau", "general")
_ENGINE = ("pixels", "channels", "fill")
_PARTS = (
    "sequencer",
    "issuer",
    "window_side",
    "window_side.encoder",
    "window_side.loader",
    "window_side.line_buffer",
    "sum_side",
    "word_side",
    "word_side.starts",
    "word_side.accumulator",
    "word_side.pool",
    "head",
)

_LINK_PARTS = (
    "line_in",
    "receiver",
    "buffer",
    "dispatcher",
    "tally",
    "sender",
    "encoder",
    "line_out",
)

#: A new unit is one more line.
UNITS = {
    "direct_array": Unit(lambda o: _alone(make_array(_shape("direct", o))), _ARRAY, True),
    "shared_array": Unit(
        lambda o: _alone(make_array(_shape("shared", o))), (*_ARRAY, "fill"), True
    ),
    "index_decoder": Unit(
        lambda o: _alone(IndexDecoder(_shape("direct", o))), ("channels", "tau", "general")
    ),
    "stream_unit": Unit(_stream_unit, ("pixels",)),
    "stream_pool": Unit(_stream_pool, ("pixels",)),
    "engine": Unit(lambda o: _engine_part("engine", o), _ENGINE, True),
} | {
    f"engine.{part}": Unit(lambda o, name=f"engine.{part}": _engine_part(name, o), _ENGINE)
    for part in _PARTS
} | {
    f"board.{part}": Unit(lambda o, name=f"board.{part}": _board_part(name, o), _ENGINE)
    for part in _LINK_PARTS
} | {"board": Unit(lambda o: _board_part("board", o), _ENGINE, True)}
