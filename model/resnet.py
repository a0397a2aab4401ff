"""Builds the torch network of a `model.nets.ResNetConfig`: Bi-Real shortcuts, all exportable.

Each 3x3 layer adds its normed sums to the stream that came in and takes its input from that
stream's signs. Where the map halves and the channels double, the shortcut is a 1x1 convolution with
8-bit weights, **on bit planes**, not on the stream as in the published networks: the accelerator
multiplies nothing but bits; it costs 8 * c_in * c_out bits. With the shortcut "stride" it has
stride 2 and reads the planes of the 3x3 layer; with "mean" the stream is halved by a 2x2 mean, as
in Bi-Real Net and ReActNet, and the convolution reads the signs of that.
"""

import numpy as np
from torch import Tensor, nn

from model.layers import Head, Sign, SubBitConv2d
from model.nets import ResNetConfig
from model.quantised import PixelConv2d, PointConv2d
from model.streams import ShiftedSign, Stream

__all__ = ["Layer", "Stem", "build_resnet"]

SHORTCUT_BITS = 8


class Stem(nn.Module):
    """Pixels to the first stream: convolution, norm, and optional 3x3 maximum at stride 2."""

    def __init__(self, colours: int, c_out: int, kernel: int, stride: int, pool: bool):
        super().__init__()
        self.conv = PixelConv2d(colours, c_out, kernel, stride)
        self.norm = nn.BatchNorm2d(c_out)
        self.stream = Stream()
        self.pool = nn.MaxPool2d(3, 2, 1) if pool else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.pool(self.stream(self.norm(self.conv(images))))


class Layer(nn.Module):
    """A 3x3 layer with its shortcut: stream in, stream out."""

    def __init__(
        self, config: ResNetConfig, c_in: int, c_out: int, stride: int, conv: SubBitConv2d
    ):
        super().__init__()
        self.sign = ShiftedSign(c_in) if config.shifts else Sign()
        self.shortcut = self.mean = None
        if stride > 1 or c_in != c_out:
            if stride > 1 and config.shortcut == "mean":
                self.mean, stride = nn.AvgPool2d(2), 1
                self.shortcut_sign = ShiftedSign(c_in) if config.shifts else Sign()
            self.shortcut = PointConv2d(c_in, c_out, SHORTCUT_BITS, stride)
            self.shortcut_norm = nn.BatchNorm2d(c_out)
            self.shortcut_stream = Stream()
        self.conv = conv
        self.norm = nn.BatchNorm2d(c_out)
        self.stream = Stream(c_out, prelu=config.shifts)

    def forward(self, x: Tensor) -> Tensor:
        planes = self.sign(x)
        if self.shortcut is not None:
            halved = planes if self.mean is None else self.shortcut_sign(self.mean(x))
            x = self.shortcut_stream(self.shortcut_norm(self.shortcut(halved)))
        return self.stream(self.norm(self.conv(planes)), x)


def build_resnet(config: ResNetConfig, tau: int, codebook: str, seed: int) -> nn.Sequential:
    """A fresh network; codebooks are drawn from ``seed``, weights from torch's generator."""
    rng = np.random.default_rng([seed, tau])
    c_in = config.stages[0][0]
    net = nn.Sequential()
    stem = Stem(config.image[0], c_in, config.kernel, config.stride, config.pool)
    net.add_module("stem", stem)
    for stage, (c_out, count) in enumerate(config.stages, 1):
        for number in range(1, count + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            conv = SubBitConv2d(
                c_in, c_out, tau, codebook, config.scaled, rng, stride, config.padding
            )
            net.add_module(f"layer{stage}_{number}", Layer(config, c_in, c_out, stride, conv))
            c_in = c_out
    net.add_module("head", Head(c_in, config.classes))
    return net
