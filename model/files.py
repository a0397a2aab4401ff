"""Folders and files that commands write: whole or not at all, with one clear line on failure."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from model.errors import UserError

__all__ = ["git_commit", "make_folder", "write_text", "write_whole"]


def make_folder(folder: Path) -> None:
    """Make the folder and try to write into it; raises UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"folder {folder} cannot be written ({error.strerror}): choose another folder"
        ) from error


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a new file, then put it in the place of ``path``; raises UserError."""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as part:
            try:
                write(part)
                part.flush()
                os.chmod(part.name, 0o644)
                os.replace(part.name, path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(part.name)
                raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) in one step; raises UserError."""
    write_whole(path, lambda file: file.write(text.encode()))


def git_commit() -> str | None:
    """The commit this program runs from, "-dirty" behind it where files were changed since.

    None outside of git.
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
