"""Compiled simulators kept by the hash of what they were made from.

One folder a simulator; it appears whole (built elsewhere, then renamed), so two runs at a time do
not spoil each other's, and the least recently used ones go when the cache outgrows its limit. Of
two that want the same one, the second waits for the first.
"""

import atexit
import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from model.errors import UserError
from sim.compiled.lock import locked

__all__ = ["LIMIT_BYTES", "cached", "clean", "folder"]

LIMIT_BYTES = 1 << 30
# What building a large simulator may take, objects and sources included.
ROOM_BYTES = 128 << 20
VARIABLE = "SUBBIT_CACHE"
BUILDING = ".building-"
# A folder in which nothing was built for so long was left by a run that was killed.
ABANDONED_SECONDS = 3600


def folder() -> Path:
    """Where simulators are kept: the environment variable SUBBIT_CACHE, or the user's cache."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "subbit" / "simulators"


def cached(
    key: str, build: Callable[[Path], None], on_wait: Callable[[], object] = lambda: None
) -> Path:
    """The folder for ``key``, made by ``build`` (which fills an empty folder) if it is not there.

    ``on_wait`` is called before waiting for another process that builds the same. Where the cache
    cannot be written or is full, the simulator is built in a temporary folder, for this process.
    """
    place = folder() / key
    if not place.is_dir():
        with contextlib.suppress(OSError):
            folder().mkdir(parents=True, exist_ok=True)
        with locked(folder() / f".{key}.lock", on_wait):
            if not place.is_dir():
                return _build(place, build)
    with contextlib.suppress(OSError):
        os.utime(place)
    return place


def _build(place: Path, build: Callable[[Path], None]) -> Path:
    """Make ``place``, or a temporary folder with the same contents."""
    try:
        work = _fill(BUILDING, place.parent, build)
    except UserError:
        if _has_room(place.parent):
            raise
        work = _fill("subbit-simulator-", None, build)
        atexit.register(shutil.rmtree, work, ignore_errors=True)
        return work
    try:
        work.rename(place)
    except OSError:
        # Where there are no locks another run may have been first: its simulator is the same.
        if not place.is_dir():
            raise
        shutil.rmtree(work, ignore_errors=True)
    _trim(keep=place)
    return place


def _fill(prefix: str, parent: Path | None, build: Callable[[Path], None]) -> Path:
    """A new folder in ``parent``, filled by ``build``; gone again where that fails.

    Raises UserError where there is no room or no right to write."""
    try:
        work = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            # Beforehand, because Yosys and Verilator say nothing when they cannot write all.
            if shutil.disk_usage(work).free < ROOM_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            build(work)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    except OSError as error:
        raise UserError(
            f"the simulator cannot be built in {parent or tempfile.gettempdir()}: "
            f"{error.strerror}; make room there, or name another place with the environment "
            f"variables {VARIABLE} and TMPDIR"
        ) from error
    return work


def _has_room(parent: Path) -> bool:
    """Whether the cache is not what made a build fail."""
    try:
        with tempfile.TemporaryFile(dir=parent):
            return shutil.disk_usage(parent).free >= ROOM_BYTES
    except OSError:
        return False


def clean() -> int:
    """Remove every kept simulator; returns the bytes freed."""
    freed = sum(_size(entry) for entry in _entries())
    shutil.rmtree(folder(), ignore_errors=True)
    return freed


def _entries() -> list[Path]:
    return [entry for entry in folder().glob("*") if entry.is_dir()] if folder().is_dir() else []


def _size(entry: Path) -> int:
    total = 0
    for file in entry.rglob("*"):
        # Another run may be building or removing there.
        with contextlib.suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def _age(entry: Path) -> float:
    """Seconds since it was used last; none where another run has just removed it."""
    with contextlib.suppress(OSError):
        return time.time() - entry.stat().st_mtime
    return 0


def _trim(keep: Path) -> None:
    """Remove the least recently used simulators until the rest is within the limit."""
    total = 0
    for entry in sorted(_entries(), key=_age):
        if entry.name.startswith(BUILDING) and _age(entry) < ABANDONED_SECONDS:
            continue
        total += _size(entry)
        if total > LIMIT_BYTES and entry != keep:
            shutil.rmtree(entry, ignore_errors=True)
