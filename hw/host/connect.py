"""From the command line to a board whose network is known."""

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager

from hw.compiler import compile_network
from hw.host.board import Board
from hw.host.errors import LinkError
from hw.host.options import BAUD, SIM
from hw.host.ports import Port, open_serial
from hw.link.identity import describe, network_id
from hw.link.payloads import Info
from hw.program import Program
from model.errors import UserError
from model.format import Network
from model.shipped import DEFAULT, load_model, names

__all__ = ["check_design", "connected", "find_network"]

SIM_PIXELS, SIM_CHANNELS = 32, 16


@contextmanager
def connected(options: argparse.Namespace, say=lambda words: None) -> Iterator[Board]:
    """The board that the options name, after the handshake; ``say`` hears what takes long."""
    with _port(options, say) as port:
        yield Board(port)


@contextmanager
def _port(options: argparse.Namespace, say) -> Iterator[Port]:
    given = [name for name in ("array", "pixels", "channels") if getattr(options, name) is not None]
    if options.baud is not None and options.baud < 1:
        raise UserError(f"--baud must be at least 1, not {options.baud}")
    if options.port != SIM:
        if given:
            raise UserError(
                f"--{given[0]} belongs to --port {SIM}: a board has what it was built with"
            )
        with open_serial(options.port, options.baud or BAUD) as port:
            yield port
        return
    # The simulation knows the hardware, not the other way round: only a user's wish joins them.
    from sim.link.port import open_simulated

    network = load_model(options.model or DEFAULT)
    program = compile_network(
        network,
        array=options.array or "shared",
        pixels=options.pixels or max(SIM_PIXELS, *(conv.width for conv in network.convs)),
        channels=options.channels or SIM_CHANNELS,
    )

    def tell(stage: str) -> None:
        say(f"building the simulated board: {stage}")

    with closing(open_simulated(program, options.baud, tell)) as port:
        yield port


def find_network(board: Board, model: str | None) -> tuple[str, Network]:
    """What the board runs: the network called ``model``, or the shipped one that it is.

    Raises LinkError where the board runs another one.
    """
    info = board.info
    if model is None:
        for name in names():
            network = load_model(name)
            if network_id(network) == info.network:
                return name, network
        raise LinkError(
            f"{board.port.name}: the board's network {info.name!r} ({info.network.hex()}) is none "
            f"of the shipped ones: name its file with --model"
        )
    network = load_model(model)
    wanted = network_id(network)
    if wanted != info.network:
        raise LinkError(
            f"{board.port.name}: the board runs {info.name!r} ({info.network.hex()}), not {model} "
            f"({wanted.hex()}): build and program {model} with python -m hw.build --model {model}, "
            "or name the board's network with --model"
        )
    return model, network


def check_design(board: Board, network: Network) -> Program:
    """The board's program; raises LinkError where other versions than these built the board."""
    program = program_of(board.info, network)
    ours = describe(program, board.info.clock_hz)
    if ours.design != board.info.design:
        raise LinkError(
            f"{board.port.name}: the board's design {board.info.design.hex()} was built by another "
            f"release, this one's is {ours.design.hex()}: build and program it anew"
        )
    return program


def program_of(info: Info, network: Network) -> Program:
    """The network compiled as the board was built."""
    return compile_network(
        network,
        array=info.array,
        pixels=info.pixels,
        channels=info.channels,
        fill=info.fill or None,
    )
