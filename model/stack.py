"""Builds the torch network of a `model.nets.NetConfig`."""

import numpy as np
from torch import nn

from model.layers import Head, Sign, SubBitConv2d, Thermometer, even_levels
from model.nets import NetConfig

__all__ = ["build"]


def build(config: NetConfig, tau: int, codebook: str, seed: int) -> nn.Sequential:
    """A fresh network; codebooks are drawn from ``seed``, weights from torch's generator."""
    rng = np.random.default_rng([seed, tau])
    colours = config.image[0]
    stack = nn.Sequential()
    stack.add_module("input", Thermometer(even_levels(config.levels, colours)))
    c_in = colours * config.levels
    for n, (c_out, pooled) in enumerate(config.layers, 1):
        conv = SubBitConv2d(c_in, c_out, tau, codebook, config.scaled, rng)
        stack.add_module(f"conv{n}", conv)
        if pooled:
            # Pooling the sums and comparing once is what the accelerator does.
            stack.add_module(f"pool{n}", nn.MaxPool2d(2))
        stack.add_module(f"norm{n}", nn.BatchNorm2d(c_out))
        stack.add_module(f"sign{n}", Sign())
        c_in = c_out
    stack.add_module("head", Head(c_in, config.classes))
    return stack
