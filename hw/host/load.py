"""Writes a network into the memories of a board, and has the board check what they hold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hw.engine_program import Program
from hw.host.board import Board
from hw.host.errors import LinkError
from hw.link.identity import describe
from hw.link.payloads import WORD_BYTES, Checked, reply_words
from hw.link.protocol import (
    CHECK,
    CHECK_BYTES,
    LOAD,
    LOAD_ADDRESS_BYTES,
    LOAD_BYTES,
    LOAD_HEADER_BYTES,
    frame_bytes,
)
from hw.link.read_back import read_cycles
from hw.loading.slots import Slot, board_slots, check_sum
from model.errors import CheckError

__all__ = ["Loaded", "load_network", "load_requests"]

WINDOW = 4  # requests under way at once: their bytes fit the smallest buffer
BROKEN_OFF = "the board holds no network until a load is complete: load one again"


@dataclass(frozen=True)
class Loaded:
    """What was written: bytes of words; the check sum that the board read back."""

    bytes: int
    check_sum: int


def load_requests(slots: tuple[Slot, ...]) -> Iterator[tuple[int, bytes]]:
    """The `LOAD` requests that write all words of all memories."""
    for number, slot in enumerate(slots):
        count = (LOAD_BYTES - LOAD_HEADER_BYTES) // slot.word_bytes
        for first in range(0, slot.depth, count):
            place = bytes([number]) + first.to_bytes(LOAD_ADDRESS_BYTES, "little")
            yield LOAD, place + slot.packed(first, count)


def load_network(
    board: Board, program: Program, on_bytes: Callable[[int, int], object] = lambda done, of: None
) -> Loaded:
    """Load a program that `hw.loading.guest.compile_for` has made for the board's engine.

    ``on_bytes`` hears how many bytes of how many are written. Raises LinkError where the board
    stops answering and CheckError where it holds something else than what was written: it has no
    network then.
    """
    slots = board_slots(program, describe(program, board.info.clock_hz))
    requests = list(load_requests(slots))
    total = sum(len(payload) - LOAD_HEADER_BYTES for _, payload in requests)
    reply_bytes = frame_bytes(WORD_BYTES * reply_words(CHECK, 0))
    expected = check_sum(slots)
    try:
        done = 0
        replies = board.exchange.ask(requests, window=WINDOW, reply_bytes=reply_bytes)
        for (_, payload), _ in zip(requests, replies, strict=True):
            done += len(payload) - LOAD_HEADER_BYTES
            on_bytes(done, total)
        (reply,) = board.exchange.ask(
            [(CHECK, expected.to_bytes(CHECK_BYTES, "little"))],
            reply_bytes=reply_bytes,
            work_seconds=read_cycles(slots) / board.info.clock_hz,
        )
    except LinkError as error:
        raise LinkError(f"{error}; {BROKEN_OFF}") from error
    found = Checked.unpack(reply.payload)
    if found != Checked(expected, True):
        raise CheckError(
            f"{board.port.name}: the check sum of what the board read back is {found.value:08x}, "
            f"that of {program.network.name} {expected:08x}; {BROKEN_OFF}"
        )
    board.introduce()
    return Loaded(total, found.value)
