"""A compiled board with its serial line, in steps of cycles."""

import ctypes
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hw.engine_program import Program
from hw.link.identity import describe
from hw.link.keeper import BUILT
from hw.loading.slots import ABOUT, board_slots, check_sum
from hw.uart import bit_cycles
from sim.compiled.contents import OPTION, write_contents
from sim.link.library import CLOCK_HZ, INFO

__all__ = ["SimulatedBoard", "symbols"]

ROOM = 4096


def symbols(data: bytes) -> np.ndarray:
    """Bytes as the line has them, uint16: a start bit (0), eight data bits, a stop bit (1)."""
    return (np.frombuffer(data, np.uint8).astype(np.uint16) << 1) | 1 << 9


class SimulatedBoard:
    """A board fresh from its reset; ``library`` is from `sim.link.library.build_board`, for a line
    of ``baud`` bits a second."""

    def __init__(self, library: Path, program: Program, baud: float):
        bit = bit_cycles(CLOCK_HZ, baud)
        self.baud = CLOCK_HZ / bit
        self._library = ctypes.CDLL(str(library))
        for name, result in (("new", ctypes.c_void_p), ("cycle", ctypes.c_uint64)):
            getattr(self._library, f"line_{name}").restype = result
        self._library.line_run.restype = ctypes.c_uint64
        with tempfile.TemporaryDirectory(prefix="subbit-contents-") as name:
            folder = Path(name)
            write_contents(program, folder)
            info = describe(program, CLOCK_HZ)
            words = {INFO: info.pack(), ABOUT: info.pack()}
            if program.loadable:
                words[BUILT] = (check_sum(board_slots(program, info)),)
            for memory, content in words.items():
                (folder / f"{memory}.hex").write_text("".join(f"{word:x}\n" for word in content))
            option = f"+{OPTION}={folder}".encode()
            self._line = ctypes.c_void_p(self._library.line_new(option, ctypes.c_uint64(bit)))
        self._bytes = np.zeros(ROOM, np.uint8)

    @property
    def cycle(self) -> int:
        """Cycles simulated so far."""
        return self._library.line_cycle(self._line)

    def send(self, line: Sequence[int] | np.ndarray) -> None:
        """Queue symbols for the line; they take 10 bits each, back to back."""
        line = np.ascontiguousarray(line, np.uint16)
        self._library.line_send(
            self._line, ctypes.c_void_p(line.ctypes.data), ctypes.c_uint64(len(line))
        )

    def run(self, cycles: int) -> bytes:
        """Simulate for so many cycles, or until a frame's end has come; what the board sent."""
        count = self._library.line_run(
            self._line,
            ctypes.c_uint64(cycles),
            ctypes.c_void_p(self._bytes.ctypes.data),
            ctypes.c_uint64(ROOM),
        )
        return self._bytes[:count].tobytes()

    def close(self) -> None:
        """Free it; it cannot be used any more."""
        self._library.line_delete(self._line)
        self._line = None
