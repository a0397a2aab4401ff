"""The 3x3 layers of published networks with random weights: sizes that nobody has to extrapolate.

A stack has the shapes and the order of a network's binary 3x3 convolutions: maps are halved by a
stride of 2 or by pooling, as in the published network. Shortcuts, 1x1 convolutions, the stem and
the 1,000 classes are left out: the input map takes the stem's place, one plane a channel.

Sources of the shapes: ResNet-18 and ResNet-34, He et al. 2016, table 1, for images of 224 x 224;
VGG-small as in LQ-Nets, Zhang et al. 2018, for images of 32 x 32, whose first layer is not binary;
ResNet-20 for images of 32 x 32, He et al. 2016, section 4.2; cnv as in `model.nets`, whose first
layer takes 5 thermometer levels of 3 colours.
"""

from dataclasses import dataclass

from model.bits import TAPS
from model.errors import UserError
from model.format import Network
from sim.synthetic import random_network

__all__ = ["STACKS", "Stack", "stack_network"]


@dataclass(frozen=True)
class Stack:
    """``size``: rows and columns of the first map; ``channels`` of it; ``stages``: output
    channels of each convolution, a tuple a size of the maps computed. Every stage but the first
    begins with a convolution at stride 2 where ``strided``, else behind 2x2 pooling."""

    size: int
    channels: int
    stages: tuple[tuple[int, ...], ...]
    strided: bool = False

    @property
    def strides(self) -> tuple[int, ...]:
        """Of each convolution."""
        begin = 2 if self.strided else 1
        later = [(begin,) + (1,) * (len(stage) - 1) for stage in self.stages[1:]]
        return sum(later, (1,) * len(self.stages[0]))

    @property
    def pools(self) -> tuple[str, ...]:
        """Of each convolution."""
        end = "none" if self.strided else "max2"
        earlier = [("none",) * (len(stage) - 1) + (end,) for stage in self.stages[:-1]]
        return sum(earlier, ()) + ("none",) * len(self.stages[-1])

    @property
    def kernel_applications(self) -> int:
        """Of one image."""
        total, c_in, size = 0, self.channels, self.size
        for stage in self.stages:
            for c_out in stage:
                total += c_in * c_out * size * size
                c_in = c_out
            size //= 2
        return total


STACKS = {
    "resnet18": Stack(56, 64, ((64,) * 4, (128,) * 4, (256,) * 4, (512,) * 4), True),
    "resnet34": Stack(56, 64, ((64,) * 6, (128,) * 8, (256,) * 12, (512,) * 6), True),
    "vgg-small": Stack(32, 128, ((128,), (256, 256), (512, 512))),
    "resnet20": Stack(32, 16, ((16,) * 6, (32,) * 6, (64,) * 6), True),
    "cnv": Stack(32, 15, ((64,), (64, 96), (128, 128, 128))),
}


def stack_network(
    name: str,
    tau: int,
    seed: int,
    *,
    antipodal: bool = True,
    rows: int | None = None,
    levels: int | None = None,
) -> Network:
    """The stack's network: codebooks of ``2^tau`` kernels, all weights random.

    tau 9 stands for plain 1-bit kernels. ``rows`` cuts the first map, and with it all others, to
    fewer rows: the same layers with less to do; ``levels`` gives it that many planes instead of one
    a channel. Raises UserError for an unknown name.
    """
    if name not in STACKS:
        raise UserError(f"--stack {name} is not known; known stacks: {', '.join(STACKS)}")
    stack = STACKS[name]
    network = random_network(
        seed,
        image=(1, rows or stack.size, stack.size),
        levels=levels or stack.channels,
        channels=tuple(c_out for stage in stack.stages for c_out in stage),
        pools=stack.pools,
        strides=stack.strides,
        tau=tau,
        antipodal=antipodal,
        name=f"{name}-3x3",
    )
    whole = TAPS * stack.kernel_applications
    assert rows or levels or sum(conv.macs for conv in network.convs) == whole
    return network
