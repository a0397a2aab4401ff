"""A board at a port: what it is, images in and answers out, its counters."""

from collections.abc import Iterable, Iterator

import numpy as np

from hw.host.errors import LinkError, NoAnswer
from hw.host.exchange import Exchange
from hw.host.ports import Port
from hw.link.payloads import WORD_BYTES, Answer, Counters, Info, reply_words
from hw.link.protocol import COUNTERS, IMAGE, INFO, PacketError, frame_bytes
from model.errors import UserError

__all__ = ["Board"]


class Board:
    """See the module. Opening asks the board what it is, and so clears the line.

    Members
    -------
    info : `hw.link.payloads.Info`. exchange : the requests and replies, with their traffic.

    Raises LinkError where no board answers, or one of another protocol.
    """

    def __init__(self, port: Port, exchange: Exchange | None = None):
        self.port = port
        self.exchange = exchange or Exchange(port)
        port.forget()
        self.introduce()

    def introduce(self) -> None:
        """Ask the board what it is, anew; raises as opening does."""
        port = self.port
        try:
            (reply,) = self._ask(INFO)
        except NoAnswer:
            raise LinkError(self._silence()) from None
        try:
            self.info = Info.unpack(reply.payload)
        except PacketError as error:
            raise LinkError(
                f"{port.name}: the board was built by another release ({error}): build and program "
                "it anew, or use the release that built it"
            ) from error

    def classify(self, images: Iterable[np.ndarray]) -> Iterator[Answer]:
        """Answers to uint8 images [colours, height, width], in their order; images are taken
        from the iterable as the line needs them. Raises LinkError where the board stops answering,
        UserError for an image of another shape."""
        info = self.info
        shape = (info.colours, info.height, info.width)

        def requests() -> Iterator[tuple[int, bytes]]:
            for image in images:
                if image.shape != shape or image.dtype != np.uint8:
                    raise UserError(f"the board takes uint8 images {shape}, not {image.shape}")
                yield IMAGE, image.tobytes()

        replies = self.exchange.ask(
            requests(),
            window=info.window,
            reply_bytes=frame_bytes(WORD_BYTES * reply_words(IMAGE, info.classes)),
            # An image's pixels take a few cycles each to load.
            work_seconds=(info.cycles + 4 * info.image_bytes) / info.clock_hz,
        )
        for reply in replies:
            yield Answer.unpack(reply.payload, info.classes)

    def counters(self) -> Counters:
        """What the board has counted since its reset."""
        (reply,) = self._ask(COUNTERS)
        return Counters.unpack(reply.payload)

    def _ask(self, kind: int) -> list:
        size = frame_bytes(WORD_BYTES * reply_words(kind, 0))
        return list(self.exchange.ask([(kind, b"")], reply_bytes=size))

    def _silence(self) -> str:
        port = self.port
        if self.exchange.traffic.received == 0:
            return (
                f"{port.name}: nothing answers at {port.baud:.0f} baud: is this the board's port, "
                "and was the board programmed by hw.build?"
            )
        return (
            f"{port.name}: what answers at {port.baud:.0f} baud is not a board of this project: "
            "another --baud (that of hw.build), or another --port, may be right"
        )
