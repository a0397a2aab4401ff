"""The learning rate over a run: a straight rise to its peak, then a fall to 0."""

import math

from model.training.config import TrainConfig

__all__ = ["rate"]


def rate(config: TrainConfig, done: int, total: int) -> float:
    """Learning rate after ``done`` of ``total`` steps.

    It rises over the share ``config.warmup`` of the steps, and falls by half a cosine or, with
    ``config.decay`` "linear", by a straight line.
    """
    share = done / total
    if share < config.warmup:
        return config.rate * share / config.warmup
    fallen = (share - config.warmup) / (1 - config.warmup)
    if config.decay == "linear":
        return config.rate * (1 - fallen)
    return config.rate * (1 + math.cos(math.pi * fallen)) / 2
