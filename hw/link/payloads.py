"""What is in the packets of `hw.link.protocol`: numbers little-endian, replies in whole words."""

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum

from hw.link.protocol import (
    CHECK,
    COUNTERS,
    ERROR,
    IMAGE,
    INFO,
    LOAD,
    PROTOCOL_VERSION,
    PacketError,
)

__all__ = [
    "NETWORK_WORDS", "WORD_BYTES", "Answer", "Checked", "Counters", "Info", "Tally", "reply_words",
]  # fmt: skip

WORD_BYTES = 4
_NAME_BYTES = 16
_INFO = struct.Struct(f"<BBxx8s8sI4H3HBBI{_NAME_BYTES}s")
ARRAY_CODES = ("direct", "shared")
ARRAY_PLACE = 12  # among the fields
#: Words of the reply to `INFO` that are the network's: identifier, cycles and name.
NETWORK_WORDS = (3, 4, 10, 11, 12, 13, 14)


class Tally(IntEnum):
    """What the board counts, in the order of the reply to `COUNTERS`.

    IMAGES : answered. LINE : frames with a byte without its stop bit. OVERFLOW : frames for which
    there was no room. FRAME : cut, or longer or shorter than their length says. CHECK : wrong CRC.
    REQUEST : packets of unknown type or of a length that their type does not have.
    """

    IMAGES = 0
    LINE = 1
    OVERFLOW = 2
    FRAME = 3
    CHECK = 4
    REQUEST = 5


@dataclass(frozen=True)
class Info:
    """What a board says about itself.

    ``design`` and ``network`` are the identifiers of `hw.link.identity`, 8 bytes each. ``window``:
    images that the board has room for at once. ``cycles`` : predicted for an image. ``loadable``:
    the network can be replaced; then the network is zeros while there is none.
    """

    version: int
    loadable: bool
    design: bytes
    network: bytes
    clock_hz: int
    colours: int
    height: int
    width: int
    classes: int
    pixels: int
    channels: int
    fill: int
    array: str
    window: int
    cycles: int
    name: str

    @property
    def has_network(self) -> bool:
        return any(self.network)

    @property
    def image_bytes(self) -> int:
        return self.colours * self.height * self.width

    def pack(self) -> bytes:
        """Whole words; a longer name is cut to 16 bytes."""
        values = list(astuple(self))
        values[ARRAY_PLACE] = ARRAY_CODES.index(self.array)
        name = self.name.encode()[:_NAME_BYTES].decode(errors="ignore").encode()
        return _INFO.pack(*values[:-1], name)

    @classmethod
    def unpack(cls, payload: bytes) -> "Info":
        """Raises PacketError for a payload that is none, and for another version's."""
        if len(payload) != _INFO.size or payload[0] != PROTOCOL_VERSION:
            version = payload[0] if payload else "none"
            raise PacketError(f"protocol version {version}, not {PROTOCOL_VERSION}")
        *values, name = _INFO.unpack(payload)
        values[ARRAY_PLACE] = ARRAY_CODES[values[ARRAY_PLACE] & 1]
        values[1] = bool(values[1])
        return cls(*values, name.rstrip(b"\0").decode(errors="replace"))


@dataclass(frozen=True)
class Answer:
    """An image's: cycles from its first layer's start to its result, class, every class's score."""

    cycles: int
    label: int
    scores: tuple[int, ...]

    def pack(self) -> bytes:
        return struct.pack(f"<II{len(self.scores)}i", self.cycles, self.label, *self.scores)

    @classmethod
    def unpack(cls, payload: bytes, classes: int) -> "Answer":
        """Raises PacketError for another length."""
        if len(payload) != WORD_BYTES * reply_words(IMAGE, classes):
            raise PacketError(f"an answer of {len(payload)} bytes")
        cycles, label, *scores = struct.unpack(f"<II{classes}i", payload)
        return cls(cycles, label, tuple(scores))


@dataclass(frozen=True)
class Counters:
    """``tally``: how often each `Tally`, since reset, modulo 2^32. ``cycles``: the last image's."""

    tally: tuple[int, ...]
    cycles: int

    def pack(self) -> bytes:
        return struct.pack(f"<{len(Tally) + 1}I", *self.tally, self.cycles)

    @classmethod
    def unpack(cls, payload: bytes) -> "Counters":
        """Raises PacketError for another length."""
        if len(payload) != WORD_BYTES * reply_words(COUNTERS, 0):
            raise PacketError(f"counters of {len(payload)} bytes")
        *tally, cycles = struct.unpack(f"<{len(Tally) + 1}I", payload)
        return cls(tuple(tally), cycles)


@dataclass(frozen=True)
class Checked:
    """``value`` : the check sum of the memories. ``loaded`` : it is the one that was named."""

    value: int
    loaded: bool

    def pack(self) -> bytes:
        return struct.pack("<II", self.value, self.loaded)

    @classmethod
    def unpack(cls, payload: bytes) -> "Checked":
        """Raises PacketError for another length."""
        if len(payload) != WORD_BYTES * reply_words(CHECK, 0):
            raise PacketError(f"a check of {len(payload)} bytes")
        value, loaded = struct.unpack("<II", payload)
        return cls(value, bool(loaded))


def reply_words(request: int, classes: int) -> int:
    """Words of the payload of the reply to a request, or of an `ERROR`."""
    info = _INFO.size // WORD_BYTES
    words = {INFO: info, IMAGE: 2 + classes, COUNTERS: len(Tally) + 1, ERROR: 1, LOAD: 1, CHECK: 2}
    return words[request]
