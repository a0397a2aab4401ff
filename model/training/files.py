"""The files of a run's folder, written in one step each, so that none is ever half there."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from model.errors import UserError

__all__ = [
    "CHECKPOINT",
    "LINES",
    "METRICS",
    "JsonLines",
    "make_folder",
    "write_json",
    "write_whole",
]

CHECKPOINT = "checkpoint.pt"
LINES = "metrics.jsonl"
METRICS = "metrics.json"


def make_folder(folder: Path) -> None:
    """Make the folder and try to write into it; UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"--out {folder}: cannot be written: {error.strerror}; choose another folder"
        ) from error


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a new file, then put it in the place of ``path``."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            try:
                write(part)
                part.flush()
                os.chmod(part.name, 0o644)
                os.replace(part.name, path)
            except BaseException:
                os.unlink(part.name)
                raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def write_json(path: Path, value: dict) -> None:
    """Write a dict as indented JSON."""
    text = json.dumps(value, indent=2) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


class JsonLines:
    """A file that grows by one JSON line an epoch, each flushed at once."""

    def __init__(self, path: Path, epochs_done: int):
        """Keep the lines of the first ``epochs_done`` epochs, drop any later ones."""
        self.path = path
        kept = []
        if epochs_done and path.exists():
            kept = path.read_bytes().splitlines(keepends=True)[:epochs_done]
        write_whole(path, lambda file: file.writelines(kept))

    def add(self, record: dict) -> None:
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror}") from error
