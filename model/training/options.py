"""The options of `model.train` that say how to train: recipe, teacher, stages. Needs no torch."""

import argparse
from pathlib import Path

from model.errors import UserError
from model.training.config import DECAYS, FIRSTS, FLOAT, PRECISIONS, TrainConfig

__all__ = ["add_recipe", "check_recipe", "positive", "share", "whole"]


def whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError
    return value


def _alpha(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


# What argparse calls a value that does not fit.
whole.__name__, positive.__name__, share.__name__ = "whole number", "number above 0", "share"
_alpha.__name__ = "number from 0"


def add_recipe(parser: argparse.ArgumentParser, usual: str) -> None:
    """Add the options; ``usual`` says where a default depends on the data set."""
    add = parser.add_argument
    add("--rate", type=positive, help=f"peak learning rate; {usual}")
    add("--codebook-rate", type=positive, help="learnt codebooks: times --rate; default: 5")
    add("--warmup", type=share, help="share of the steps in which the rate rises; default: 0.15")
    add("--decay", choices=DECAYS, help="how the rate falls after that; default: cosine")
    add("--settle", type=share, help=f"share of the steps before norms are fixed; {usual}")
    add("--smoothing", type=share, help="label smoothing, 0 to 1; default: 0.05")
    add("--mixup", type=_alpha, metavar="ALPHA", help="blend images in pairs; default: 0, not")
    add("--teacher", metavar="FOLDER|auto|none",
        help=f"learn from the run in FOLDER, trained with --bits {FLOAT}; auto trains it first; "
        "default: none")  # fmt: skip
    add("--distil", type=share, help="share of the teacher in what to aim at; default: 0.7")
    add("--first", choices=FIRSTS, help="weights of the first of two stages; default: none")
    add("--first-share", type=share, help="share of the steps of that stage; default: 0.25")
    add("--precision", choices=PRECISIONS, help="of a step's convolutions; default: float32")
    add("--compile", action=argparse.BooleanOptionalAction,
        help="pass training steps through torch.compile; default: no")  # fmt: skip


def check_recipe(config: TrainConfig, out: Path) -> None:
    """Raise UserError for options that do not go together."""
    if not config.exported:
        for name, value in (("teacher", config.teacher), ("first", config.first)):
            if value != "none":
                raise UserError(f"--{name} {value} is not for --bits {FLOAT}, which teaches others")
    if config.first == "binary" and config.bits == "1":
        raise UserError("--first binary is for sub-bit networks; with --bits 1, use --first float")
    if config.first != "none" and not config.first_share <= config.settle:
        raise UserError(
            f"--first-share {config.first_share:g} must be at most --settle {config.settle:g}: "
            "norms that are fixed cannot follow weights that change"
        )
    if config.teacher not in ("none", "auto") and Path(config.teacher).resolve() == out.resolve():
        raise UserError(f"--teacher {config.teacher} is the folder of this run, too: choose --out")
