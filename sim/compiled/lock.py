"""A lock that processes share through a file, and that dies with the process that holds it."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["locked"]


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock of this name; other processes and threads that ask for it wait.

    ``on_wait`` is called, once, before waiting for other holders. Where the file cannot be made or
    locked (a read-only folder, a full disk, no `fcntl`) the work goes on without a lock. The file
    is gone again afterwards.
    """
    file = _acquire(path, on_wait)
    try:
        yield
    finally:
        if file is not None:
            # While we hold it: after that it may already be another's.
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(file)


def _acquire(path: Path, on_wait: Callable[[], object]) -> int | None:
    """The locked file's descriptor; None where it cannot be had."""
    waited = False
    while fcntl is not None:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return None
        with contextlib.ExitStack() as unless_held:
            unless_held.callback(os.close, file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not waited:
                    on_wait()
                waited = True
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                return None
            # A holder before us may have removed it: others then lock a new file of this name.
            if _is_at(file, path):
                unless_held.pop_all()
                return file
    return None


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
