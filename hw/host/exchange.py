"""Requests out, replies back: several under way at once, lost ones sent again.

The board answers in order and the line keeps order. So a reply proves that a request which was sent
before and has no reply yet is lost: it is sent again at once. Where nothing comes any more, all of
them are, when the reply that is due next is overdue.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from hw.host.errors import NOTHING_LOADED, LinkError, NoAnswer
from hw.host.ports import Port
from hw.link.protocol import (
    ERROR,
    NO_NETWORK,
    REPLY,
    Packet,
    PacketError,
    decode_reply,
    encode_request,
)

__all__ = ["TRIES", "Exchange", "Traffic"]

TRIES = 10
LINE_BITS = 10  # of a byte
SLACK = 1.1  # clocks differ, and so do drivers' ideas of a baud rate
MAX_FRAME = 1 << 16
SEQUENCE_BITS = 32


@dataclass
class Traffic:
    """Bytes sent and received, frames that were broken, requests sent again."""

    sent: int = 0
    received: int = 0
    broken: int = 0
    again: int = 0


@dataclass
class _Open:
    """A request without a reply: its packet, how often sent, when last (its place in the order)."""

    packet: Packet
    tries: int = 0
    order: int = 0


class Exchange:
    """See the module.

    Parameters
    ----------
    port : `hw.host.ports.Port`.
    choose : makes the first sequence number, a random one of so many bits: by it this host's
        requests differ from those of another before it.
    """

    def __init__(self, port: Port, choose: Callable[[int], int] = secrets.randbits):
        self.port = port
        self.traffic = Traffic()
        self._sequence = choose(SEQUENCE_BITS)
        self._frame = bytearray()
        self._order = 0
        # When the line will have taken what was written.
        self._free = 0.0

    def ask(
        self,
        requests: Iterable[tuple[int, bytes]],
        *,
        window: int = 1,
        reply_bytes: int,
        work_seconds: float = 0.0,
    ) -> Iterator[Packet]:
        """Replies to (type, payload) pairs, in their order.

        ``window`` of them are under way at once; ``reply_bytes`` is the longest reply on the line,
        ``work_seconds`` the board's time for one. Raises NoAnswer where a request has had no reply
        after `TRIES`, LinkError where it was refused.
        """
        patience = (reply_bytes * LINE_BITS / self.port.baud + work_seconds) * SLACK
        source = iter(requests)
        under_way: dict[int, _Open] = {}
        done: dict[int, Packet] = {}
        following = self._sequence
        exhausted = False
        while True:
            while not exhausted and len(under_way) + len(done) < window:
                entry = next(source, None)
                if entry is None:
                    exhausted = True
                    break
                packet = Packet(entry[0], self._sequence, entry[1])
                under_way[self._sequence] = self._send(_Open(packet))
                self._sequence = (self._sequence + 1) % (1 << SEQUENCE_BITS)
            if following in done:
                yield done.pop(following)
                following = (following + 1) % (1 << SEQUENCE_BITS)
                continue
            if not under_way:
                return
            due = max(self._free, self.port.now()) + patience * len(under_way) + self.port.latency
            reply = self._receive(due, under_way)
            if reply is None:
                for entry in list(under_way.values()):
                    self._send(entry)
                continue
            answered = under_way.pop(reply.sequence)
            done[reply.sequence] = reply
            for entry in [e for e in under_way.values() if e.order < answered.order]:
                self._send(entry)

    def _send(self, entry: _Open) -> _Open:
        if entry.tries == TRIES:
            raise NoAnswer(
                f"{self.port.name}: the board stopped answering ({TRIES} tries): check the cable "
                "and the board's lights, then try again"
            )
        data = encode_request(entry.packet)
        seconds = len(data) * LINE_BITS * SLACK / self.port.baud
        self._free = max(self._free, self.port.now()) + seconds
        self._order += 1
        self.traffic.again += entry.tries > 0
        entry.tries, entry.order = entry.tries + 1, self._order
        self.traffic.sent += len(data)
        self.port.write(data)
        return entry

    def _receive(self, due: float, under_way: dict[int, _Open]) -> Packet | None:
        """The next reply to a request under way; None when there is none until ``due``."""
        while True:
            while b"\0" in self._frame:
                frame, _, rest = self._frame.partition(b"\0")
                self._frame = rest
                if (packet := self._decode(bytes(frame))) is None:
                    continue
                entry = under_way.get(packet.sequence)
                if entry is None:
                    continue
                if packet.type == ERROR:
                    if packet.payload[1:2] == bytes([NO_NETWORK]):
                        raise LinkError(f"{self.port.name}: {NOTHING_LOADED}")
                    raise LinkError(
                        f"{self.port.name}: the board refuses a request of type "
                        f"{entry.packet.type} with {len(entry.packet.payload)} bytes: build and "
                        "program it anew with this release"
                    )
                if packet.type == entry.packet.type | REPLY:
                    return packet
            seconds = due - self.port.now()
            if seconds <= 0:
                return None
            data = self.port.read(seconds)
            self.traffic.received += len(data)
            self._frame += data
            if len(self._frame) > MAX_FRAME:
                self._frame.clear()

    def _decode(self, frame: bytes) -> Packet | None:
        if not frame:
            return None
        try:
            return decode_reply(frame)
        except PacketError:
            self.traffic.broken += 1
            return None
