"""The packets between host and board, defined once: RTL, host and tests take them from here.

What is in their payloads is in `hw.link.payloads`.

**Packet**, little-endian: ``type`` 1 byte, ``length`` of the payload 3 bytes, ``sequence`` 4 bytes,
payload, CRC-32 of all of that (`zlib.crc32`). A reply has its request's sequence number, and its
type with the top bit set.

**Frame**: COBS makes of a packet bytes without a zero, and a zero ends it; in requests one stands
before it, too. So a receiver that has lost its place finds it again at the very next zero,
whatever came before, without searching payloads for what looks like a header: a packet arrives if
its own bytes and the zeros around it do. It costs a byte in 254. Requests have each block's code
before the block, as COBS is published, replies behind it: so the board never looks ahead.

**Why 32 bits of CRC**: a board that sees a hundred broken frames a second for a day accepts one of
them with a probability of 0.2 %; with 16 bits it would accept a hundred.

**Requests** are answered in order, one after the other, and each may be repeated: a host that has
had no answer sends it again. None but `LOAD` changes what a later one says.

**Loading** (boards that are built for it): `LOAD` writes words at an address of one of the
network's memories, and takes the network away. `CHECK`, sent when all of these are answered, names
a check sum: the board reads all its memories, and has a network again if theirs is the same. So
whatever is lost, repeated, or left by a host that vanished, the board has the whole of a network or
none.

A host that starts draws its
first sequence number anew, asks for `INFO` and forgets what comes before the answer:
behind it there is no answer to anybody else.
"""

import struct
import zlib
from dataclasses import dataclass

__all__ = [
    "CHECK",
    "CHECK_BYTES",
    "COUNTERS",
    "CRC_BYTES",
    "CRC_POLYNOMIAL",
    "CRC_RESIDUE",
    "ERROR",
    "HEADER_BYTES",
    "IMAGE",
    "INFO",
    "LOAD",
    "LOAD_ADDRESS_BYTES",
    "LOAD_BYTES",
    "LOAD_HEADER_BYTES",
    "NO_NETWORK",
    "PROTOCOL_VERSION",
    "REPLY",
    "Packet",
    "PacketError",
    "decode_reply",
    "decode_request",
    "encode_reply",
    "encode_request",
    "frame_bytes",
]

PROTOCOL_VERSION = 1
INFO, IMAGE, COUNTERS, LOAD, CHECK = 1, 2, 3, 4, 5
REPLY = 0x80
# The type of the reply to what is refused; its payload is 4 bytes: the request's type, and why.
ERROR = 0xFF
NO_NETWORK = 1  # why an image is refused; 0: it is no request
# The most bytes of a `LOAD`, and those before its words: a memory's number, an address.
LOAD_BYTES = 256
CHECK_BYTES = 4  # of a `CHECK`: the check sum
LOAD_ADDRESS_BYTES = 3
LOAD_HEADER_BYTES = 1 + LOAD_ADDRESS_BYTES

HEADER_BYTES = 8
CRC_BYTES = 4
BLOCK = 254
# CRC-32 (ISO-HDLC), lowest bit first; what its register holds behind a packet and its CRC.
CRC_POLYNOMIAL = 0xEDB88320
CRC_RESIDUE = 0xDEBB20E3

_HEADER = struct.Struct("<II")


class PacketError(ValueError):
    """Bytes that are no packet: cut, changed, or never meant to be one."""


@dataclass(frozen=True)
class Packet:
    """``type`` and ``sequence`` as sent, 8 and 32 bits."""

    type: int
    sequence: int
    payload: bytes = b""

    def pack(self) -> bytes:
        """The packet's bytes, CRC and all, before framing."""
        body = _HEADER.pack(self.type | len(self.payload) << 8, self.sequence) + self.payload
        return body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")

    @classmethod
    def unpack(cls, data: bytes) -> "Packet":
        """Raises PacketError where length or CRC are wrong."""
        if len(data) < HEADER_BYTES + CRC_BYTES:
            raise PacketError(f"{len(data)} bytes are no packet")
        body = data[:-CRC_BYTES]
        if zlib.crc32(body) != int.from_bytes(data[-CRC_BYTES:], "little"):
            raise PacketError("wrong check sum")
        word, sequence = _HEADER.unpack_from(body)
        if word >> 8 != len(body) - HEADER_BYTES:
            raise PacketError("wrong length")
        return cls(word & 0xFF, sequence, body[HEADER_BYTES:])


def frame_bytes(payload: int) -> int:
    """Bytes on the line, at most, of a request with a payload of so many bytes."""
    packet = HEADER_BYTES + payload + CRC_BYTES
    return packet + packet // BLOCK + 1 + 2


def encode_request(packet: Packet) -> bytes:
    """A request as the line carries it: a zero, COBS, a zero."""
    parts = [b"\0"]
    for run in packet.pack().split(b"\0"):
        for at in range(0, len(run) + 1, BLOCK):
            block = run[at : at + BLOCK]
            parts += [bytes([len(block) + 1]), block]
    return b"".join([*parts, b"\0"])


def decode_request(frame: bytes) -> Packet:
    """The packet of what lies between two zeros; raises PacketError."""
    data, at, code = bytearray(), 0, BLOCK + 1
    while at < len(frame):
        if code <= BLOCK:
            data.append(0)
        code = frame[at]
        if code == 0 or at + code > len(frame):
            raise PacketError("cut block")
        data += frame[at + 1 : at + code]
        at += code
    return Packet.unpack(bytes(data))


def encode_reply(packet: Packet) -> bytes:
    """A reply as the line carries it: COBS with each code behind its block, a zero."""
    out, count = bytearray(), 1
    for byte in packet.pack():
        out.append(byte or count)
        count = count + 1 if byte else 1
        if count > BLOCK:
            out.append(count)
            count = 1
    return bytes([*out, count, 0])


def decode_reply(frame: bytes) -> Packet:
    """The packet of what lies between two zeros; raises PacketError."""
    blocks, end = [], len(frame)
    while end > 0:
        code = frame[end - 1]
        if code == 0 or code > end:
            raise PacketError("cut block")
        # Behind every block but the last lies a zero, or, where it is full, nothing.
        zero = b"\0" if code <= BLOCK and blocks else b""
        blocks.append(frame[end - code : end - 1] + zero)
        end -= code
    return Packet.unpack(b"".join(reversed(blocks)))
