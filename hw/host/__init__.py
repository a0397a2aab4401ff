"""The host's side of a board: a library and ``python -m hw.host``.

::

    with open_serial("/dev/ttyUSB0", 1_000_000) as port:
        board = Board(port)
        for answer in board.classify(images):  # uint8 [N, colours, height, width]
            print(answer.label, answer.scores, answer.cycles)
"""

from hw.host.board import Board
from hw.host.errors import LinkError
from hw.host.ports import Port, open_serial

__all__ = ["Board", "LinkError", "Port", "open_serial"]
