"""Stops a run that has diverged, before it wastes hours or spoils its checkpoint."""

import math

from model.errors import CheckError
from model.training.config import TrainConfig

__all__ = ["check_loss"]

# A loss of so many times that of guessing is no hard batch any more.
LIMIT = 100


def check_loss(loss: float, classes: int, done: int, config: TrainConfig) -> None:
    """Raise CheckError where the ``loss`` of the step behind ``done`` is not a number or has blown
    up: at which step, and what to lower."""
    if loss <= LIMIT * math.log(max(classes, 2)):
        return
    lower = f"lower --rate (it was {config.rate:g})"
    if config.warmup < 0.1:
        lower += f" or raise --warmup (it was {config.warmup:g})"
    if config.precision == "bf16":
        lower += " or use --precision float32"
    raise CheckError(
        f"training diverged: the loss of step {done + 1} is {loss:g}; {lower}, and train with "
        "--restart; the checkpoint of the last whole epoch is untouched"
    )
