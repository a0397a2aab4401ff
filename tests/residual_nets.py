"""Small torch networks with streams, trained for a few steps on the digits or made wild."""

from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from model import datasets
from model.calibrate import calibrate
from model.layers import Head, Sign, SubBitConv2d
from model.nets import ResNetConfig
from model.quantised import Binary, PointConv2d, Quantise
from model.stack import build
from model.streams import ShiftedSign, Stream

__all__ = ["DIGIT", "Everything", "noise", "trained", "wild"]

DIGIT = (1, 8, 8)


def noise(seed: int, count: int, image: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *image)).astype(np.uint8)


@cache
def trained(
    shifts: bool, seed: int, steps: int = 75, shortcut: str = "stride"
) -> nn.Sequential:
    """A residual network with a down-sampling shortcut; for the last third of the steps batch norm
    is fixed and the streams have their grids, as `model.training.loop` does it."""
    torch.manual_seed(seed)
    config = ResNetConfig(
        "tiny", DIGIT, ((16, 2), (32, 2)), shifts=shifts, padding="minus", shortcut=shortcut
    )
    net = build(config, 5, "antipodal", seed)
    data = datasets.load("digits", split="train")
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(steps):
        if step == 2 * steps // 3:
            calibrate(net, images[:200], room=2.0)
            for module in net.modules():
                module.training = not isinstance(module, nn.BatchNorm2d)
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / steps)
        chosen = torch.randint(len(images), (32,))
        loss = functional.cross_entropy(net(images[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        for module in net.modules():
            if isinstance(module, SubBitConv2d):
                module.clip()
    return net.eval()


class Everything(nn.Module):
    """Pixels as odd numbers of 8 bits, activations of several bits, both poolings, dense layers."""

    def __init__(self):
        super().__init__()
        self.input = Binary()
        self.conv1 = SubBitConv2d(2, 8, 4, padding="plus", in_bits=8, scaled=True)
        self.norm1 = nn.BatchNorm2d(8)
        self.stream1 = Stream(8, prelu=True)
        self.levels = Quantise(3)
        self.conv2 = SubBitConv2d(8, 8, padding="minus", in_bits=3)
        self.norm2 = nn.BatchNorm2d(8)
        self.stream2 = Stream()
        self.mean = nn.AvgPool2d(2)
        self.shifted = ShiftedSign(8)
        self.conv3 = PointConv2d(8, 12, weight_bits=2)
        self.most = nn.MaxPool2d(2)
        self.norm3 = nn.BatchNorm2d(12)
        self.shifted3 = ShiftedSign(12)
        self.dropout = nn.Dropout(0.5)
        self.conv4 = PointConv2d(12 * 4, 20, flatten=True)
        self.norm4 = nn.BatchNorm2d(20)
        self.sign = Sign()
        self.conv5 = PointConv2d(20, 6, weight_bits=8, stride=1)
        self.stream5 = Stream()
        self.head = Head(6, 4, flatten=True)

    def forward(self, images):
        x = self.stream1(self.norm1(self.conv1(self.input(images))))
        x = self.mean(self.stream2(self.norm2(self.conv2(self.levels(x))), residual=x))
        x = self.shifted3(self.norm3(self.most(self.conv3(self.shifted(x)))))
        x = self.sign(self.norm4(self.conv4(self.dropout(x))))
        return self.head(self.stream5(self.conv5(x)))


def wild(net: nn.Module, seed: int, image: tuple[int, int, int]) -> nn.Module:
    """Batch norms with statistics that fit and slopes of both signs, shifts, slopes; calibrated."""
    torch.manual_seed(seed)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # a plain average
    net.train()
    with torch.no_grad():
        for turn in range(3):
            net(torch.from_numpy(noise(seed + turn, 40, image)))
        for norm in norms:
            norm.weight.uniform_(-1.5, 1.5)
            norm.bias.uniform_(-0.5, 0.5)
        for name, parameter in net.named_parameters():
            if name.endswith(("shift", "before", "slope", "after")):
                parameter.uniform_(-0.5, 0.5)
    net.eval()
    calibrate(net, torch.from_numpy(noise(seed, 60, image)))
    with torch.no_grad():
        # Every class gets its share of the images.
        net.head.bias -= net(torch.from_numpy(noise(seed, 100, image))).mean(0)
    return net
