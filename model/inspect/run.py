"""What a training run has left beside its exported network: its log and its checkpoint."""

import importlib.util
import json
import pickle
import warnings
from pathlib import Path

import numpy as np

from model import bits
from model.errors import UserError
from model.format import SUFFIX
from model.network import Conv, Network
from model.training.files import CHECKPOINT, LINES

__all__ = ["latent_signs", "log_of", "read_log"]

# What every line of the log has, as numbers.
FIGURES = ("epoch", "loss", "train_accuracy", "test_accuracy")


def log_of(exported: Path) -> Path | None:
    """The log of the run that wrote the file: NAME.metrics.jsonl or metrics.jsonl beside it."""
    own = exported.with_name(f"{exported.name.removesuffix(SUFFIX)}.{LINES}")
    return next((path for path in (own, exported.with_name(LINES)) if path.is_file()), None)


def read_log(path: Path) -> list[dict]:
    """The epochs of a training log; UserError naming the line where it is damaged."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text: {error}") from error
    epochs = []
    for number, line in enumerate(lines, 1):
        try:
            epoch = json.loads(line)
            fine = all(isinstance(epoch[key], int | float) for key in FIGURES)
            fine &= all(isinstance(n, int) for b in epoch.get("codebooks", {}).values() for n in b)
        except (ValueError, TypeError, KeyError, AttributeError):
            fine = False
        if not fine:
            raise UserError(f"{path}: line {number} is not an epoch's figures")
        epochs.append(epoch)
    return epochs


def latent_signs(exported: Path, network: Network) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By layer, kernel numbers [c_out, c_in] of the latent weights' signs and those in use.

    From the checkpoint beside the file: empty where there is none, torch is not installed, or it is
    not one of this network. Reading it executes nothing.
    """
    path = exported.with_name(CHECKPOINT)
    if not path.is_file() or importlib.util.find_spec("torch") is None:
        return {}
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is then refused anyway
            state = torch.load(path, map_location="cpu", weights_only=True)["state"]["net"]
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: is damaged or no checkpoint; move it away") from error
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: holds more than tensors and is not read; move it away") from error
    found = {}
    for layer in network.convs:
        if not isinstance(layer, Conv) or layer.tau == bits.TAPS:
            continue
        weight = state.get(f"{layer.name}.weight")
        if weight is None or tuple(weight.shape) != (layer.c_out, layer.c_in, 3, 3):
            return {}
        found[layer.name] = bits.kernel_numbers(weight.numpy()), layer.kernels
    return found
