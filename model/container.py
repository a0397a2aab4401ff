"""The file as bytes: named tensors and text, with a version and a check sum over all of it.

A safetensors file whose metadata holds ``format``, ``network`` and ``sha256``; see
`model.format` for what they say.
"""

import hashlib
import json

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from model.errors import UserError

__all__ = ["FORMAT_VERSION", "FORMAT_VERSIONS", "decode", "encode"]

# The newest version, and all that can be read.
FORMAT_VERSION = 4
FORMAT_VERSIONS = (1, 2, 3, 4)
_NO_DIGEST = "0" * 64


def encode(tensors: dict[str, np.ndarray], network: str, version: int) -> bytes:
    """The file's bytes: tensors, the network's description, version and digest."""
    metadata = {"format": str(version), "network": network, "sha256": _NO_DIGEST}
    blank = save_tensors({k: np.ascontiguousarray(v) for k, v in tensors.items()}, metadata)
    blank = _in_order(blank)
    return blank.replace(_digest_field(_NO_DIGEST), _digest_field(_digest(blank)), 1)


def decode(blob: bytes, where: str) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and tensors of a file whose version and digest are right."""
    metadata = _metadata(blob, where)
    version = metadata.get("format")
    if version is None or "network" not in metadata:
        raise UserError(f"{where}: not an exported network (its header names no format)")
    if version not in map(str, FORMAT_VERSIONS):
        raise UserError(
            f"{where}: format version {version[:20]!r} is not known, this program reads versions "
            f"{FORMAT_VERSIONS[0]} to {FORMAT_VERSION}: update the program or export the network "
            "again"
        )
    stated = metadata.get("sha256", "")
    blank = blob.replace(_digest_field(stated), _digest_field(_NO_DIGEST), 1)
    if len(stated) != len(_NO_DIGEST) or _digest(blank) != stated:
        raise UserError(f"{where}: altered or truncated (its checksum does not match)")
    try:
        return metadata, load_tensors(blob)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        # The library's text can run over many lines; ours is one.
        problem = " ".join(str(error).split())[:120]
        raise UserError(f"{where}: a tensor cannot be read: {problem}") from error


def _metadata(blob: bytes, where: str) -> dict[str, str]:
    """The header's text entries, read without trusting any of its numbers."""
    size = int.from_bytes(blob[:8], "little")
    if len(blob) < 8 or size > len(blob) - 8:
        raise UserError(f"{where}: truncated, or not an exported network")
    try:
        header = json.loads(blob[8 : 8 + size])
        metadata = header["__metadata__"]
        if all(isinstance(value, str) for value in metadata.values()):
            return metadata
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise UserError(f"{where}: not an exported network (its header cannot be read)")


def _in_order(blob: bytes) -> bytes:
    """The same file with a sorted header: the library's order differs from run to run."""
    size = int.from_bytes(blob[:8], "little")
    header = json.dumps(json.loads(blob[8 : 8 + size]), separators=(",", ":"), sort_keys=True)
    # The data begin at a multiple of 8 bytes.
    text = header.encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + blob[8 + size :]


def _digest_field(digest: str) -> bytes:
    return f'"sha256":"{digest}"'.encode()


def _digest(blank: bytes) -> str:
    return hashlib.sha256(blank).hexdigest()
