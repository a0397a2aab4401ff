"""Readers of the official image files: MNIST's idx and CIFAR's two versions. Needs numpy only.

Nothing in a file is ever executed: the pickles of CIFAR's Python version go through an
unpickler that knows four harmless names and refuses everything else.
"""

import gzip
import pickle
import zlib
from pathlib import Path

import numpy as np

__all__ = ["FileError", "read_cifar", "read_idx"]

IDX_UINT8 = 8
MAX_BYTES = 1 << 28


class FileError(Exception):
    """A file of a data set is missing or damaged; the message names the file and what is wrong."""


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The uint8 array of an idx file, ``path`` itself or ``path`` + ``.gz``.

    Raises FileError where the file is missing, damaged, or of another shape.
    """
    packed = path.with_name(path.name + ".gz")
    raw, name = (_bytes(path), path.name) if path.exists() else (_unzip(packed), packed.name)
    head = 4 + 4 * len(shape)
    if len(raw) < head or raw[:2] != b"\0\0" or raw[2] != IDX_UINT8 or raw[3] != len(shape):
        raise FileError(f"{name} is not an idx file of uint8 in {len(shape)} dimensions")
    stated = tuple(int(n) for n in np.frombuffer(raw, ">u4", len(shape), offset=4))
    if stated != shape:
        raise FileError(f"{name} holds {_by(stated)} values instead of {_by(shape)}")
    count = int(np.prod(shape))
    if len(raw) != head + count:
        raise FileError(f"{name} is damaged: {len(raw)} bytes instead of {head + count}")
    return np.frombuffer(raw, np.uint8, count, offset=head).reshape(shape)


def read_cifar(
    path: Path, shape: tuple[int, ...], marks: int = 1, key: bytes = b"labels"
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 ``shape`` = [N, 3, 32, 32] and integer labels [N] of one batch of CIFAR.

    The label is the last of ``marks`` bytes before an image, or the pickle's ``key``. ``path`` is
    the Python version's file; without it, the binary version's ``path`` + ``.bin``.
    Raises FileError where it is missing, damaged, or of another shape.
    """
    count, size = shape[0], int(np.prod(shape[1:]))
    binary = path.with_name(path.name + ".bin")
    if not path.exists() and binary.exists():
        raw = _bytes(binary)
        if len(raw) != count * (size + marks):
            raise FileError(
                f"{binary.name} is damaged: {len(raw)} bytes instead of {count * (size + marks)}"
            )
        rows = np.frombuffer(raw, np.uint8).reshape(count, size + marks)
        return rows[:, marks:].reshape(shape), rows[:, marks - 1]
    images, labels = _unpickle(path, key)
    if images.shape != (count, size) or images.dtype != np.uint8 or labels.shape != (count,):
        raise FileError(f"{path.name} is damaged: not {count} images of {size} bytes")
    return images.reshape(shape), labels


class _Unpickler(pickle.Unpickler):
    """Rebuilds byte strings and numpy arrays; any other name in the file is refused."""

    def find_class(self, module: str, name: str):
        # The official files say numpy.core; numpy 2 says numpy._core.
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise FileError(f"it asks for {module[:40]}.{name[:40]}, as no official file does")
        return allowed[module, name]


def _unpickle(path: Path, key: bytes) -> tuple[np.ndarray, np.ndarray]:
    _bytes(path, read=False)
    try:
        with open(path, "rb") as file:
            batch = _Unpickler(file, encoding="bytes").load()
        return np.asarray(batch[b"data"]), np.array(batch[key], np.int64)
    except FileError as error:
        raise FileError(f"{path.name} is damaged: {error}") from error
    # A damaged pickle can fail in any way that an opcode can; all mean the same to the user.
    except (Exception, RecursionError) as error:
        raise FileError(f"{path.name} is damaged: {type(error).__name__}") from error


def _bytes(path: Path, read: bool = True) -> bytes:
    """The file's bytes; FileError where it is missing, unreadable or far too large."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FileError(f"{path.name} is damaged: far too large")
        return path.read_bytes() if read else b""
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise FileError(f"{path.name} is missing") from error
        raise FileError(f"{path.name} cannot be read: {error.strerror}") from error


def _unzip(path: Path) -> bytes:
    _bytes(path, read=False)
    try:
        with gzip.open(path) as file:
            return file.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path.name} is damaged: it cannot be unpacked") from error


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
