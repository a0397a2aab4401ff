"""Loads that go wrong: a bad line, a host that vanishes, words that are not those meant.

One board, never reset, and networks that it can hold. After each load, whatever befell it, a new
host asks the board what it is. Where it says it has a network, answers must be that network's;
where it says it has none, it must refuse images, and the next load must work.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hw.engine_program import Program
from hw.host.board import Board
from hw.host.errors import NOTHING_LOADED, LinkError
from hw.host.exchange import Exchange
from hw.host.load import load_network, load_requests
from hw.link.identity import describe, network_id
from hw.link.protocol import CHECK, CHECK_BYTES, LOAD, LOAD_HEADER_BYTES, Packet, encode_request
from hw.link.read_back import read_cycles
from hw.loading.slots import board_slots, check_sum
from model.errors import CheckError
from sim.link.faults import FAULTS, MOST_EVENTS, VANISH, Expected, Line, Outcome
from sim.link.library import CLOCK_HZ
from sim.link.port import SimulatedPort

__all__ = ["BROKEN_OFF", "LOAD_FAULTS", "Guest", "run_loads"]

DISTURBED, BROKEN_OFF, WRONG = "load, bad line", "load, host vanishes", "load, wrong words"
LOAD_FAULTS = (DISTURBED, BROKEN_OFF, WRONG)
IMAGES = 2  # after each load


@dataclass(frozen=True, eq=False)
class Guest:
    """A network for the board, compiled for its circuit, and what it answers."""

    program: Program
    expected: Expected

    @property
    def name(self) -> str:
        return self.program.network.name


class _Wrong(Exception):  # noqa: N818
    """What must never happen."""


def run_loads(
    port: SimulatedPort, guests: Sequence[Guest], kind: str, trials: int, seed: int
) -> Outcome:
    """So many trials of one of `LOAD_FAULTS` on the board at ``port``; the same for the same seed.

    The board may hold whatever the trials before have left.
    """
    rng = random.Random(f"{kind} {seed}")
    outcome = Outcome(kind)
    port.disturbance = None
    before = sum(_host(port, rng).counters().tally[1:])
    for trial in range(trials):
        outcome.trials += 1
        try:
            _trial(port, guests, kind, rng, outcome)
        except (LinkError, CheckError, _Wrong) as error:
            outcome.problems.append(f"{kind}, trial {trial}: {error}")
        port.disturbance = None
    outcome.refused = sum(_host(port, rng).counters().tally[1:]) - before
    return outcome


def _host(port: SimulatedPort, rng: random.Random) -> Board:
    return Board(port, Exchange(port, rng.getrandbits))


def _trial(
    port: SimulatedPort, guests: Sequence[Guest], kind: str, rng: random.Random, outcome: Outcome
) -> None:
    guest = rng.choice(guests)
    if kind == BROKEN_OFF:
        _break_off(port, guest, rng)
    elif kind == WRONG:
        _load_wrong(port, guest, rng)
    else:
        board = _host(port, rng)
        span = sum(map(len, _frames(guest, rng)))
        fault = rng.choice([fault for fault in FAULTS if fault != VANISH])
        port.disturbance = Line(rng, fault, rng.randint(1, MOST_EVENTS), span)
        load_network(board, guest.program)
        outcome.again += board.exchange.traffic.again
        outcome.broken += board.exchange.traffic.broken
    port.disturbance = None
    board = _host(port, rng)
    if kind == DISTURBED and board.info.network != network_id(guest.program.network):
        raise _Wrong(f"loaded {guest.name}, the board has {board.info.network.hex()}")
    if not board.info.has_network:
        _check_refusal(board, guest)
        load_network(board, guest.program)
    elif kind == WRONG:
        raise _Wrong("the board took words that were not those of the check sum")
    held = [g for g in guests if network_id(g.program.network) == board.info.network]
    if len(held) != 1:
        raise _Wrong(f"the board says it has {board.info.network.hex()}")
    _check_answers(board, held[0], rng, outcome)


def _frames(guest: Guest, rng: random.Random) -> list[bytes]:
    """All requests of a load, as the line carries them."""
    slots = board_slots(guest.program, describe(guest.program, CLOCK_HZ))
    last = CHECK, check_sum(slots).to_bytes(CHECK_BYTES, "little")
    session = rng.getrandbits(32)
    return [
        encode_request(Packet(kind, session + number & 0xFFFFFFFF, payload))
        for number, (kind, payload) in enumerate([*load_requests(slots), last])
    ]


def _break_off(port: SimulatedPort, guest: Guest, rng: random.Random) -> None:
    """A host that sends requests in order, or some of them only, and stops within one."""
    frames = _frames(guest, rng)
    if rng.random() < 0.5:
        # Not those of the beginning: the check sum's request may come although words are missing.
        frames = [frame for frame in frames if rng.random() < 0.8] or frames
    line = b"".join(frames)
    if rng.random() < 0.8:
        line = line[: rng.randrange(len(line))]
    port.write(line)
    for _ in range(rng.randrange(3)):
        port.read(rng.random() * 2 * len(line) * 10 / port.baud)


def _load_wrong(port: SimulatedPort, guest: Guest, rng: random.Random) -> None:
    """A load in which one bit of a word is another one before it is packed: no check of the line
    can see that."""
    slots = board_slots(guest.program, describe(guest.program, CLOCK_HZ))
    requests = list(load_requests(slots))
    number = rng.randrange(len(requests))
    payload = bytearray(requests[number][1])
    # Bits above a word's width are not stored; the lowest byte of a word always is.
    width = slots[payload[0]].word_bytes
    place = LOAD_HEADER_BYTES + width * rng.randrange((len(payload) - LOAD_HEADER_BYTES) // width)
    payload[place] ^= 1
    requests[number] = LOAD, bytes(payload)
    board = _host(port, rng)
    last = CHECK, check_sum(slots).to_bytes(CHECK_BYTES, "little")
    for part in (requests, [last]):
        list(board.exchange.ask(part, reply_bytes=64, work_seconds=read_cycles(slots) / CLOCK_HZ))


def _check_refusal(board: Board, guest: Guest) -> None:
    try:
        list(board.classify(guest.expected.images[:1]))
    except LinkError as error:
        if NOTHING_LOADED not in str(error):
            raise
        return
    raise _Wrong("a board without a network answered an image")


def _check_answers(board: Board, guest: Guest, rng: random.Random, outcome: Outcome) -> None:
    expected = guest.expected
    chosen = rng.choices(range(len(expected.images)), k=IMAGES)
    answers = board.classify(expected.images[number] for number in chosen)
    for number, answer in zip(chosen, answers, strict=True):
        wanted = expected.answers[number]
        if (answer.label, answer.scores) != wanted or answer.cycles != board.info.cycles:
            raise _Wrong(
                f"{guest.name} answered {answer.label} {answer.scores} in {answer.cycles} cycles, "
                f"right is {wanted} in {board.info.cycles}"
            )
        outcome.images += 1
