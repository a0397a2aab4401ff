"""The boards that a design can be built for, by name."""

from hw.boards.arty_a7 import ARTY_A7, ARTY_A7_100
from hw.boards.board import Board
from hw.boards.gatemate_evb import GATEMATE_EVB
from hw.boards.icebreaker import ICEBREAKER
from hw.boards.tang_nano_9k import TANG_NANO_9K
from hw.boards.ulx3s import ULX3S_25F, ULX3S_85F
from model.errors import UserError

__all__ = [
    "ARTY_A7", "BOARDS", "GATEMATE_EVB", "ICEBREAKER", "TANG_NANO_9K", "ULX3S_85F", "Board",
    "find_board",
]  # fmt: skip

BOARDS = {
    board.name: board
    for board in (
        ARTY_A7, ARTY_A7_100, ULX3S_25F, ULX3S_85F, ICEBREAKER, TANG_NANO_9K, GATEMATE_EVB,
    )
}  # fmt: skip


def find_board(name: str) -> Board:
    """The board of that name; raises UserError that lists the known ones."""
    if name not in BOARDS:
        raise UserError(f"board {name!r} is not known; known boards: {', '.join(BOARDS)}")
    return BOARDS[name]
