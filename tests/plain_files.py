"""Exported files taken apart and put together with json and numpy alone, as docs/format.md says."""

import hashlib
import json
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from model import format
from model.errors import UserError

__all__ = ["ZEROS", "read_plainly", "refused", "seal", "write_plainly"]

ZEROS = "0" * 64


def read_plainly(blob: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Description and tensors."""
    (length,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + length])
    data = blob[8 + length :]
    types = {"U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "I32": "<i4"}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[start:end], types[entry["dtype"]])
            tensors[name] = tensors[name].reshape(entry["shape"])
    stated = header["__metadata__"]["sha256"]
    blank = blob.replace(f'"sha256":"{stated}"'.encode(), f'"sha256":"{ZEROS}"'.encode(), 1)
    assert hashlib.sha256(blank).hexdigest() == stated
    return json.loads(header["__metadata__"]["network"]), tensors


def write_plainly(description, tensors: dict, metadata: dict | None = None) -> bytes:
    """A file with a right checksum, whatever it says."""
    if not isinstance(description, str):
        description = json.dumps(description)
    extra = {"format": "1", "network": description, "sha256": ZEROS} | (metadata or {})
    header, data = {"__metadata__": extra}, b""
    codes = {"u1": "U8", "i1": "I8", "u2": "U16", "i2": "I16", "i4": "I32"}
    codes |= {"i8": "I64", "f4": "F32"}
    for name, tensor in tensors.items():
        raw = tensor.tobytes()
        header[name] = {
            "dtype": codes[tensor.dtype.str[1:]],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    return seal(header, data)


def seal(header, data: bytes) -> bytes:
    """Put header (a dict, or its text) and data together and fill in the checksum."""
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))
    blob = struct.pack("<Q", len(text.encode())) + text.encode() + data
    digest = hashlib.sha256(blob).hexdigest()
    return blob.replace(f'"sha256":"{ZEROS}"'.encode(), f'"sha256":"{digest}"'.encode(), 1)


def refused(blob: bytes, path: Path) -> str:
    """The one line with which ``blob`` is refused; fails when it is not, or takes long."""
    path.unlink(missing_ok=True)  # ext4 flushes a file that is written over: 4 ms, 2,000 times
    path.write_bytes(blob)
    begun = time.monotonic()
    with pytest.raises(UserError) as caught:
        format.load(path)
    assert time.monotonic() - begun < 5
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text and len(text) < len(str(path)) + 300
    return text
