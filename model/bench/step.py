"""A training step of sub-bit layers against the same stack of plain binary and of float layers.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from model import bits
from model.bench.measure import Row, interleaved, peak_bytes
from model.layers import Head, Sign, SubBitConv2d
from model.training.loop import codebook_groups

__all__ = ["CIFAR_RESNET18", "measure_steps"]

# (c_out, stride) of the 16 layers of 3x3 kernels of ResNet-18 on CIFAR's 32x32 pixels.
CIFAR_RESNET18 = tuple(
    (c_out, 2 if n == 0 and c_out > 64 else 1) for c_out in (64, 128, 256, 512) for n in range(4)
)
SIDE = 32
CLASSES = 10
CODEBOOK_RATE = 5.0  # times the rate of the weights; the default of model.train


def measure_steps(
    tau: int,
    kinds: tuple[str, ...],
    batch: int,
    rounds: int,
    layers: tuple[tuple[int, int], ...] = CIFAR_RESNET18,
    say: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Steps of ``batch`` images forward, backward, Adam: each kind against binary and float."""
    names = [f"{kind}, tau {tau}" for kind in kinds] + ["plain binary", "float"]
    steps = [_step(_stack(layers, tau, kind), layers[0][0], batch) for kind in kinds]
    steps.append(_step(_stack(layers, bits.TAPS, "sampled"), layers[0][0], batch))
    steps.append(_step(_stack(layers, None, ""), layers[0][0], batch))
    say(f"training step, batch {batch}: measuring")
    seconds = interleaved(steps, rounds)
    say("training step: memory")
    held = [peak_bytes(step) for step in steps]
    pairs = [(a, b) for b in (len(kinds), len(kinds) + 1) for a in range(b)]
    return [
        Row(
            f"training step, {names[a]}, batch {batch}",
            names[b],
            seconds[a],
            seconds[b],
            held[a],
            held[b],
        )
        for a, b in pairs
    ]


def _stack(layers: tuple[tuple[int, int], ...], tau: int | None, kind: str) -> nn.Sequential:
    """Convolution, norm and activation over and over; floats and ReLU where ``tau`` is None."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    stack = nn.Sequential()
    c_in = layers[0][0]
    for c_out, stride in layers:
        if tau is None:
            conv = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        else:
            conv = SubBitConv2d(c_in, c_out, tau, kind, rng=rng, stride=stride)
        activation = nn.ReLU() if tau is None else Sign()
        stack.extend([conv, nn.BatchNorm2d(c_out), activation])
        c_in = c_out
    return stack.append(Head(c_in, CLASSES))


def _step(net: nn.Sequential, channels: int, batch: int) -> Callable[[], None]:
    """A function that trains ``net`` by one step on signs [batch, channels, 32, 32]."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, channels, SIDE, SIDE)
    images = torch.where(torch.rand(shape, generator=generator) < 0.5, -1.0, 1.0)
    # The order of memory that model.layers.Thermometer gives.
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (batch,), generator=generator)
    groups = codebook_groups(net, CODEBOOK_RATE)
    optimiser = torch.optim.Adam(groups, lr=1e-3)
    for group in optimiser.param_groups:
        group["lr"] *= group["times"]

    def step() -> None:
        functional.cross_entropy(net(images), labels).backward()
        optimiser.step()
        for module in net.modules():
            if isinstance(module, SubBitConv2d):
                module.clip()
        # Behind the step, so that nothing it takes is left over when its memory is measured.
        optimiser.zero_grad()

    return step
