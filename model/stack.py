"""Builds the torch network of a `model.nets.NetConfig`; `build` takes any description."""

import numpy as np
from torch import nn

from model.layers import Head, Sign, SubBitConv2d, Thermometer, even_levels
from model.nets import NetConfig, ResNetConfig
from model.quantised import PixelConv2d
from model.resnet import build_resnet
from model.streams import Stream

__all__ = ["build"]


def build(config: NetConfig | ResNetConfig, tau: int, codebook: str, seed: int) -> nn.Sequential:
    """A fresh network; codebooks are drawn from ``seed``, weights from torch's generator."""
    if isinstance(config, ResNetConfig):
        return build_resnet(config, tau, codebook, seed)
    rng = np.random.default_rng([seed, tau])
    colours, height, width = config.image
    stack = nn.Sequential()
    if config.stem:
        c_in = config.stem
        stack.add_module("input", PixelConv2d(colours, c_in))
        stack.add_module("norm0", nn.BatchNorm2d(c_in))
        stack.add_module("stream0", Stream())
        stack.add_module("sign0", Sign())
    else:
        stack.add_module("input", Thermometer(even_levels(config.levels, colours)))
        c_in = colours * config.levels
    for n, (c_out, pooled) in enumerate(config.layers, 1):
        conv = SubBitConv2d(
            c_in, c_out, tau, codebook, config.scaled, rng, padding=config.padding
        )
        stack.add_module(f"conv{n}", conv)
        if pooled:
            # Pooling the sums and comparing once is what the accelerator does.
            stack.add_module(f"pool{n}", nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        stack.add_module(f"norm{n}", nn.BatchNorm2d(c_out))
        stack.add_module(f"sign{n}", Sign())
        c_in = c_out
    features = c_in * height * width if config.flatten else c_in
    stack.add_module("head", Head(features, config.classes, config.flatten))
    return stack
