"""Test images as PNG files in a text: small enough for a page that carries its own pictures."""

import base64
import struct
import zlib

import numpy as np

__all__ = ["png_text"]


def png_text(image: np.ndarray) -> str:
    """An image, uint8 [colours, H, W], as a PNG file in base64.

    Three colours are red, green and blue; of any other number the first is shown as grey.
    """
    planes = image if len(image) == 3 else image[:1]
    count, height, width = planes.shape
    rows = np.moveaxis(planes, 0, -1).reshape(height, width * count)
    # Before each row the number of its filter: 0, none.
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if count == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return base64.b64encode(data).decode()
