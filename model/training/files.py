"""The files of a run's folder, written in one step each, so that none is ever half there."""

import json
from pathlib import Path

from model.errors import UserError
from model.files import write_text, write_whole

__all__ = [
    "CHECKPOINT",
    "LINES",
    "METRICS",
    "TEACHER",
    "JsonLines",
    "write_json",
]

CHECKPOINT = "checkpoint.pt"
LINES = "metrics.jsonl"
METRICS = "metrics.json"
# Below the folder of a run with --teacher auto, the teacher's own run.
TEACHER = "teacher"


def write_json(path: Path, value: dict) -> None:
    """Write a dict as indented JSON."""
    text = json.dumps(value, indent=2) + "\n"
    write_text(path, text)


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
