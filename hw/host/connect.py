"""From the command line to a board whose network is known."""

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager

from hw.compiler import compile_network
from hw.engine_program import Program
from hw.host.board import Board
from hw.host.errors import NOTHING_LOADED, LinkError
from hw.host.options import BAUD, SIM
from hw.host.ports import Port, open_serial
from hw.link.identity import design_id, network_id
from hw.link.payloads import Info
from hw.loading.guest import compile_for, made_loadable
from model.errors import UserError
from model.format import Network
from model.shipped import DEFAULT, load_model, names

__all__ = ["check_design", "connected", "find_circuit", "find_network"]

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

    loads = options.command == "load"
    network = load_model(options.built or (None if loads else options.model) or DEFAULT)
    program = compile_network(
        network,
        array=options.array or "shared",
        pixels=options.pixels or max(SIM_PIXELS, *(conv.width for conv in network.convs)),
        channels=options.channels or SIM_CHANNELS,
    )

    if loads:
        program = made_loadable(program)

    def tell(stage: str) -> None:
        say(f"building the simulated board: {stage}")

    with closing(open_simulated(program, options.baud, tell)) as port:
        yield port


def find_network(board: Board, model: str | None) -> tuple[str, Network]:
    """What the board runs: the network called ``model``, or the shipped one that it is.

    Raises LinkError where the board runs another one.
    """
    info = board.info
    if not info.has_network:
        raise LinkError(f"{board.port.name}: {NOTHING_LOADED}")
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
            f"({wanted.hex()}): {_remedy(info, model)}, or name the board's network with --model"
        )
    return model, network


def _remedy(info: Info, model: str) -> str:
    if info.loadable:
        return f"load it with python -m hw.host load --model {model}"
    return f"build and program {model} with python -m hw.build --model {model}"


def check_design(board: Board, network: Network, built: str | None = None) -> Program:
    """The program of the network that the board runs; ``built`` is what its engine was built for,
    if that is another one.

    Raises LinkError where other versions than these built the board.
    """
    program = program_of(board.info, network)
    if design_id(program) == board.info.design:
        return program
    if board.info.loadable:
        return compile_for(network, find_circuit(board, built))
    raise LinkError(
        f"{board.port.name}: the board's design {board.info.design.hex()} was built by another "
        f"release, this one's is {design_id(program).hex()}: build and program it anew"
    )


def find_circuit(board: Board, built: str | None) -> Program:
    """The program that a loadable board was built from: that of the network ``built``, or of a
    shipped one. Raises LinkError where it is none of them."""
    info = board.info
    if not info.loadable:
        raise LinkError(
            f"{board.port.name}: this board keeps the network it was built with: build and program "
            "it anew, with python -m hw.build --loadable to load others later"
        )
    for name in names() if built is None else [built]:
        try:
            program = program_of(info, load_model(name))
        except UserError:
            if built is not None:
                raise
            continue
        if design_id(program) == info.design:
            return program
    tried = f"not {built}" if built else "none of the shipped networks"
    raise LinkError(
        f"{board.port.name}: the board's design {info.design.hex()} was built for {tried}, or by "
        "another release: name the network that it was built for with --built, or build and "
        "program it anew"
    )


def program_of(info: Info, network: Network) -> Program:
    """The network compiled as the board was built."""
    program = compile_network(
        network,
        array=info.array,
        pixels=info.pixels,
        channels=info.channels,
        fill=info.fill or None,
    )
    return made_loadable(program) if info.loadable else program
