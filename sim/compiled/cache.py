"""Compiled simulators kept by the hash of what they were made from.

One folder a simulator; it appears whole (built elsewhere, then renamed), so two runs at a time do
not spoil each other's, and the least recently used ones go when the cache outgrows its limit.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["LIMIT_BYTES", "cached", "clean", "folder"]

LIMIT_BYTES = 1 << 30
VARIABLE = "SUBBIT_CACHE"


def folder() -> Path:
    """Where simulators are kept: the environment variable SUBBIT_CACHE, or the user's cache."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "subbit" / "simulators"


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """The folder for ``key``, made by ``build`` (which fills an empty folder) if it is not there.

    Where the cache cannot be written, the simulator is built in a temporary folder for this run.
    """
    place = folder() / key
    if place.is_dir():
        with contextlib.suppress(OSError):
            os.utime(place)
        return place
    try:
        folder().mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder()))
    except OSError:
        work = Path(tempfile.mkdtemp(prefix="subbit-simulator-"))
        place = None
    try:
        build(work)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    if place is None:
        return work
    try:
        work.rename(place)
    except OSError:
        # Another run was first: its simulator is the same.
        if not place.is_dir():
            raise
        shutil.rmtree(work, ignore_errors=True)
    _trim(keep=place)
    return place


def clean() -> int:
    """Remove every kept simulator; returns the bytes freed."""
    freed = sum(_size(entry) for entry in _entries())
    shutil.rmtree(folder(), ignore_errors=True)
    return freed


def _entries() -> list[Path]:
    return [entry for entry in folder().glob("*") if entry.is_dir()] if folder().is_dir() else []


def _size(entry: Path) -> int:
    return sum(file.stat().st_size for file in entry.rglob("*") if file.is_file())


def _trim(keep: Path) -> None:
    """Remove the least recently used simulators until the rest is within the limit."""
    entries = sorted(_entries(), key=lambda entry: entry.stat().st_mtime, reverse=True)
    total = 0
    for entry in entries:
        total += _size(entry)
        if total > LIMIT_BYTES and entry != keep:
            shutil.rmtree(entry, ignore_errors=True)
