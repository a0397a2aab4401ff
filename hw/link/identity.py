"""What a design is, in eight bytes: so that a host knows whether the board runs what it thinks."""

import hashlib
from dataclasses import fields, is_dataclass
from importlib.metadata import version

import numpy as np

from hw.cycles import total_cycles
from hw.engine_program import Program
from hw.link.payloads import Info
from hw.link.protocol import PROTOCOL_VERSION
from model.errors import UserError
from model.network import Network

__all__ = ["SMALLEST_BUFFER", "buffer_depth", "describe", "design_id", "network_id", "window"]

ID_BYTES = 8
SMALLEST_BUFFER = 2048  # One RAMB18 or DP16KD in its 9-bit form.
MAX_IMAGE_BYTES = 1 << 16


def _feed(digest, value: object) -> None:
    """Add a value to a digest so that different values never add the same bytes."""
    if isinstance(value, np.ndarray):
        # The numbers count, not the type that holds them: a file may hold them in a smaller one.
        digest.update(f"array {value.shape} ".encode())
        digest.update(value.astype("<i8", order="C", casting="safe").tobytes())
    elif is_dataclass(value):
        digest.update(f"{type(value).__name__} {len(fields(value))} ".encode())
        for entry in fields(value):
            _feed(digest, entry.name)
            _feed(digest, getattr(value, entry.name))
    elif isinstance(value, tuple):
        digest.update(f"tuple {len(value)} ".encode())
        for entry in value:
            _feed(digest, entry)
    else:
        text = repr(value)
        digest.update(f"{len(text)} {text} ".encode())


def network_id(network: Network) -> bytes:
    """Of everything that decides an answer; not of the name or of who trained it."""
    digest = hashlib.sha256()
    for entry in fields(network):
        if entry.name not in ("name", "provenance"):
            _feed(digest, entry.name)
            _feed(digest, getattr(network, entry.name))
    return digest.digest()[:ID_BYTES]


def design_id(program: Program) -> bytes:
    """Of the network, the engine's parameters and sizes, and the versions that built it; of a
    network that is loaded, those of the engine that it is loaded into."""
    program = program.circuit or program
    digest = hashlib.sha256(network_id(program.network))
    _feed(digest, program.parameters)
    _feed(digest, program.sizes)
    _feed(digest, (PROTOCOL_VERSION, version("amaranth")))
    if program.loadable:
        _feed(digest, "loadable")
    return digest.digest()[:ID_BYTES]


def buffer_depth(image_bytes: int, smallest: int = SMALLEST_BUFFER) -> int:
    """Bytes of the board's buffer: an image with its header, and room for the next one to begin
    while that one moves to the engine; a power of two, at least ``smallest``.

    Raises UserError for an image that no block RAM would hold.
    """
    if not 1 <= image_bytes <= MAX_IMAGE_BYTES:
        raise UserError(
            f"an image of {image_bytes:,} bytes is too large for the link, which holds a whole one "
            f"in block RAM: at most {MAX_IMAGE_BYTES:,}"
        )
    # An eighth more: the next image comes at a byte in 39 cycles, this one goes at one in two.
    needed = image_bytes + image_bytes // 8 + 16
    return max(smallest, 1 << (needed - 1).bit_length())


def window(image_bytes: int, smallest: int = SMALLEST_BUFFER) -> int:
    """Images that the board has room for: those whole ones in the buffer, and one in the engine."""
    return min(1 + buffer_depth(image_bytes, smallest) // (image_bytes + 16), 255)


def describe(
    program: Program, clock_hz: float, smallest_buffer: int = SMALLEST_BUFFER
) -> Info:
    """What a board with this program says about itself."""
    parameters = program.parameters
    colours, height, width = program.network.image
    return Info(
        version=PROTOCOL_VERSION,
        loadable=program.loadable,
        design=design_id(program),
        network=network_id(program.network),
        clock_hz=round(clock_hz),
        colours=colours,
        height=height,
        width=width,
        classes=program.classes,
        pixels=parameters.pixels,
        channels=parameters.channels,
        fill=parameters.fill,
        array=parameters.array,
        window=window(program.image_bytes, smallest_buffer),
        cycles=total_cycles(program),
        name=program.network.name,
    )
