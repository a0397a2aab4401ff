"""The simulated board as a port of `hw.host`: the host's own code drives it, in simulated time."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from hw.engine_program import Program
from hw.link.identity import describe
from hw.link.read_back import read_cycles
from hw.loading.slots import board_slots
from hw.uart import MIN_BIT_CYCLES
from model.errors import UserError
from sim.compiled.toolchain import find_toolchain, missing
from sim.link.board import SimulatedBoard, symbols
from sim.link.library import CLOCK_HZ, build_board

__all__ = ["Disturbance", "SimulatedPort", "open_simulated"]

SLICE = 200_000  # cycles between looks at Ctrl-C


class Disturbance(Protocol):
    """What a bad line does to what goes over it."""

    def sent(self, line: np.ndarray) -> np.ndarray:
        """Symbols that reach the board, of those sent."""

    def received(self, data: bytes) -> bytes:
        """Bytes that reach the host."""


class SimulatedPort:
    """See `hw.host.ports.Port`; seconds are simulated ones."""

    name = "sim"
    # Between a reply's due time and the end of all patience.
    latency = 20e-6

    def __init__(self, board: SimulatedBoard, disturbance: Disturbance | None = None):
        self._board = board
        self.baud = board.baud
        self.disturbance = disturbance

    def now(self) -> float:
        return self._board.cycle / CLOCK_HZ

    def write(self, data: bytes) -> None:
        line = symbols(data)
        self._board.send(self.disturbance.sent(line) if self.disturbance else line)

    def read(self, seconds: float) -> bytes:
        end = self._board.cycle + max(round(seconds * CLOCK_HZ), 1)
        data = b""
        while not data and self._board.cycle < end:
            data = self._board.run(min(SLICE, end - self._board.cycle))
        return self.disturbance.received(data) if self.disturbance else data

    def forget(self) -> None:
        """Nothing waits here: time stands still while nobody reads."""

    def close(self) -> None:
        self._board.close()


def open_simulated(
    program: Program,
    baud: float | None = None,
    on_stage: Callable[[str], object] = lambda stage: None,
) -> SimulatedPort:
    """A fresh board with this program, on a line that is as fast as can be, or of ``baud``.

    Raises UserError where it cannot be compiled, or not for that speed.
    """
    if problem := missing():
        raise UserError(f"--port sim: {problem}")
    baud = baud or CLOCK_HZ / MIN_BIT_CYCLES
    try:
        library = build_board(program, find_toolchain(), baud, on_stage)
    except ValueError as error:
        raise UserError(f"--port sim: {error}") from error
    board = SimulatedBoard(library, program, baud)
    if program.loadable:
        # It checks its memories first; on a real board nobody can be so soon.
        board.run(read_cycles(board_slots(program, describe(program, CLOCK_HZ))) + 16)
    return SimulatedPort(board)
