"""Checkpoints: everything a run needs to go on as if it had never stopped.

Written with torch.save and read with ``weights_only``, which builds tensors and plain values and
executes nothing.
"""

import io
import pickle
import warnings
from dataclasses import asdict
from pathlib import Path

import torch

from model.errors import UserError
from model.files import write_whole
from model.training.config import TrainConfig
from model.training.files import CHECKPOINT

__all__ = ["VERSION", "load", "read", "write"]

VERSION = 1


def write(folder: Path, config: TrainConfig, state: dict) -> None:
    """Put ``state`` (tensors and plain values) into the run's folder, in one step.

    Raises UserError where that cannot be, as on a full disk; the checkpoint of before stays.
    """
    content = {"version": VERSION, "config": asdict(config), "state": state}
    # By way of memory: torch does not say what went wrong with a file.
    packed = io.BytesIO()
    torch.save(content, packed)
    try:
        write_whole(folder / CHECKPOINT, lambda file: file.write(packed.getbuffer()))
    except UserError as error:
        raise UserError(
            f"{error}; the checkpoint of before is as it was: make room and go on with --resume"
        ) from error


def read(folder: Path, config: TrainConfig) -> dict:
    """The state of the run in ``folder``.

    Raises UserError where it is damaged or belongs to other options.
    """
    options, state = load(folder)
    difference = config.difference(options)
    if difference:
        raise UserError(
            f"{folder / CHECKPOINT}: was made with {difference}: resume with the same options, "
            "choose another --out, or use --restart"
        )
    return state


def load(folder: Path) -> tuple[dict, dict]:
    """(options, state) of the run in ``folder``, whatever the options; UserError if damaged."""
    path = folder / CHECKPOINT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is then refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file can fail anywhere between the zip directory and the last tensor.
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(f"{path}: damaged; use --restart to train from the beginning") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise UserError(f"{path}: not a checkpoint of this program's version; use --restart")
    options, state = content.get("config"), content.get("state")
    if not isinstance(options, dict) or not isinstance(state, dict):
        raise UserError(f"{path}: its options cannot be read; use --restart")
    return options, state
