"""Reads what is to be converted. Nothing in a file is ever executed."""

import importlib.util
import pickle
import warnings
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from model.errors import UserError
from model.format import load
from model.network import Network
from model.training.config import DEFAULTS, TrainConfig
from model.training.files import CHECKPOINT

__all__ = ["Trained", "read_source"]

# Where programs put the weights in a file that holds more.
NESTED = ("state_dict", "model", "net")


@dataclass(frozen=True)
class Trained:
    """A checkpoint of model.train: its options and the network's state dict."""

    config: TrainConfig
    state: dict


def read_source(path: Path) -> Trained | Network | dict[str, np.ndarray]:
    """A checkpoint (or the folder of a run), an exported network, or other people's weights.

    Weights are all tensors [c_out, c_in, 3, 3] by name. Raises UserError, in one line, for what is
    damaged, holds anything but tensors and plain values, or has no such weights.
    """
    path = path / CHECKPOINT if path.is_dir() else path
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    # Eight bytes of length, then the header's brace: no zip file or pickle looks like it.
    if start[8:] == b"{":
        return _safetensors(path)
    return _torch_file(path)


def _safetensors(path: Path) -> Network | dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="np") as file:
            if "network" in (file.metadata() or {}):
                return load(path)
            found = {}
            for name in file.keys():  # noqa: SIM118 - it is no dict
                part = file.get_slice(name)
                if _fits(part.get_shape()):
                    if part.get_dtype() == "BF16":
                        raise UserError(f"{path}: {name}: bfloat16 is not read: convert to float32")
                    found[name] = file.get_tensor(name)
    except (SafetensorError, OSError, TypeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: damaged or no safetensors file ({reason})") from error
    return _checked(path, found)


def _torch_file(path: Path) -> Trained | dict[str, np.ndarray]:
    if importlib.util.find_spec("torch") is None:
        raise UserError(f"{path}: needs torch, which is not installed: pip install '.[train]'")
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is then refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: damaged, or holds more than tensors and plain values, which is not read "
            "because it could execute code; save the network's state_dict() alone"
        ) from error
    # A damaged file can fail anywhere between the zip directory and the last tensor.
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise UserError(f"{path}: damaged, or neither a safetensors nor a torch file") from error
    if isinstance(content, dict) and {"version", "config", "state"} <= set(content):
        return _trained(path, content)
    while isinstance(content, dict):
        inner = [content[key] for key in NESTED if isinstance(content.get(key), dict)]
        if not inner:
            break
        content = inner[0]
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no dictionary of weights by name")
    return _checked(path, {
        str(name): tensor.float().numpy()
        for name, tensor in content.items()
        if isinstance(tensor, torch.Tensor) and _fits(tensor.shape) and not tensor.is_complex()
    })  # fmt: skip


def _fits(shape) -> bool:
    return len(shape) == 4 and tuple(shape[2:]) == (3, 3) and min(shape) > 0


def _checked(path: Path, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if not found:
        raise UserError(f"{path}: has no weights of 3x3 convolutions ([c_out, c_in, 3, 3])")
    for name, weights in found.items():
        if not np.isfinite(weights).all():
            raise UserError(f"{path}: {name}: holds values that are not finite")
    return found


def _trained(path: Path, content: dict) -> Trained:
    from model.training.checkpoint import VERSION

    given, state = content["config"], content["state"]
    names = {field.name for field in fields(TrainConfig)}
    fine = isinstance(given, dict) and set(given) == names and given["dataset"] in DEFAULTS
    fine = fine and isinstance(state, dict) and isinstance(state.get("net"), dict)
    if content["version"] != VERSION or not fine:
        raise UserError(f"{path}: not a checkpoint of this program's version")
    return Trained(TrainConfig(**given), state["net"])
