"""A line that disturbs what goes over it, and a host that vanishes: trials on one board, no reset.

A trial is a short conversation of the real host with the simulated board: images out, answers back,
each compared with the golden model. Somewhere in it the line misbehaves, on the way out or back.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hw.host.board import Board
from hw.host.errors import LinkError
from hw.host.exchange import Exchange
from hw.link.protocol import IMAGE, Packet, encode_request
from sim.link.board import symbols
from sim.link.port import SimulatedPort

__all__ = ["FAULTS", "MOST_EVENTS", "VANISH", "Expected", "Line", "Outcome", "run_trials"]

FLIP, LOSE, DOUBLE = "bit flips", "lost bytes", "doubled bytes"
INSERT, CUT = "inserted bytes", "cut packets"
VANISH = "host vanishes"
FAULTS = (FLIP, LOSE, DOUBLE, INSERT, CUT, VANISH)
DATA_BITS, SYMBOL_BITS = 8, 10
IMAGES = 4  # of a trial
MOST_EVENTS = 3


class Line:
    """A `sim.link.port.Disturbance`: ``events`` times, something of ``kind`` befalls one of the
    next ``span`` bytes, counted over both directions' own bytes."""

    def __init__(self, rng: random.Random, kind: str, events: int, span: int):
        self._rng, self._kind = rng, kind
        aims = {(rng.random() < 0.5, rng.randrange(span)) for _ in range(events)}
        self._out = sorted(place for out, place in aims if out)
        self._back = sorted(place for out, place in aims if not out)
        self._sent = self._received = 0
        self._dropping = False

    def sent(self, line: np.ndarray) -> np.ndarray:
        places = [p - self._sent for p in self._out if self._sent <= p < self._sent + len(line)]
        self._sent += len(line)
        values = line.tolist()
        for place in reversed(places):
            if self._kind == CUT:
                del values[place:]
            else:
                insert = int(symbols(self._rng.randbytes(1))[0])
                self._befall(values, place, SYMBOL_BITS, insert)
        return np.array(values, np.uint16)

    def received(self, data: bytes) -> bytes:
        count = len(data)
        values: list[int] = []
        for place, byte in enumerate(data):
            one = [byte]
            if self._received + place in self._back:
                if self._kind == CUT:
                    self._dropping = True
                else:
                    self._befall(one, 0, DATA_BITS, self._rng.randrange(256))
            if not self._dropping:
                values += one
            self._dropping &= byte != 0
        self._received += count
        return bytes(values)

    def _befall(self, values: list[int], place: int, bits: int, insert: int) -> None:
        if self._kind == FLIP:
            values[place] ^= 1 << self._rng.randrange(bits)
        elif self._kind == LOSE:
            del values[place]
        elif self._kind == DOUBLE:
            values.insert(place, values[place])
        else:
            values.insert(place, insert)


@dataclass
class Outcome:
    """Of all trials with one kind of fault. ``again``: requests sent again; ``broken``: frames that
    the host found broken; ``refused``: that the board did; ``problems``: one line each."""

    kind: str
    trials: int = 0
    images: int = 0
    again: int = 0
    broken: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Expected:
    """Images and what each must be answered with: (class, scores)."""

    images: np.ndarray
    answers: Sequence[tuple[int, tuple[int, ...]]]


def run_trials(
    port: SimulatedPort, expected: Expected, kind: str, trials: int, seed: int
) -> Outcome:
    """So many trials on the board at ``port``, as it is; the same again for the same seed."""
    rng = random.Random(f"{kind} {seed}")
    outcome = Outcome(kind)
    port.disturbance = None
    before = sum(Board(port, Exchange(port, rng.getrandbits)).counters().tally[1:])
    for trial in range(trials):
        outcome.trials += 1
        try:
            _trial(port, expected, kind, rng, outcome)
        except LinkError as error:
            outcome.problems.append(f"{kind}, trial {trial}: {error}")
        except _WrongAnswer as error:
            outcome.problems.append(f"{kind}, trial {trial}: {error}")
        port.disturbance = None
    board = Board(port, Exchange(port, rng.getrandbits))
    outcome.refused = sum(board.counters().tally[1:]) - before
    return outcome


class _WrongAnswer(Exception):  # noqa: N818
    """What must never happen."""


def _trial(
    port: SimulatedPort, expected: Expected, kind: str, rng: random.Random, outcome: Outcome
) -> None:
    if kind == VANISH:
        _vanish(port, expected, rng)
    board = Board(port, Exchange(port, rng.getrandbits))
    chosen = rng.choices(range(len(expected.images)), k=IMAGES)
    frame = len(encode_request(Packet(IMAGE, 0, expected.images[0].tobytes())))
    if kind != VANISH:
        port.disturbance = Line(rng, kind, rng.randint(1, MOST_EVENTS), frame * IMAGES)
    answers = board.classify(expected.images[number] for number in chosen)
    for number, answer in zip(chosen, answers, strict=True):
        wanted = expected.answers[number]
        if (answer.label, answer.scores) != wanted:
            raise _WrongAnswer(f"answered {answer.label} {answer.scores}, right is {wanted}")
        outcome.images += 1
    outcome.again += board.exchange.traffic.again
    outcome.broken += board.exchange.traffic.broken


def _vanish(port: SimulatedPort, expected: Expected, rng: random.Random) -> None:
    """A host that sends some images, a part of one more, and is heard of no more."""
    session = rng.getrandbits(32)
    frames = [
        encode_request(
            Packet(IMAGE, session + n & 0xFFFFFFFF, rng.choice(expected.images).tobytes())
        )
        for n in range(rng.randint(1, IMAGES))
    ]
    line = b"".join(frames)
    port.write(line[: len(line) - rng.randrange(len(frames[-1]))])
    # It may have read a little, too, even a part of a reply.
    for _ in range(rng.randrange(3)):
        port.read(rng.random() * 2 * len(line) * SYMBOL_BITS / port.baud)
