"""The 3x3 layers of published networks with random weights: sizes that nobody has to extrapolate.

A stack has the shapes and the order of a network's binary 3x3 convolutions. Where the published
network halves its maps by a stride of 2, the stack pools behind the layer before, so that every
layer computes as many outputs, from as many inputs, as the published one. Shortcuts, 1x1
convolutions, the stem and the 1,000 classes are left out: the input map takes the stem's place,
one plane a channel.

Sources of the shapes: ResNet-18 and ResNet-34, He et al. 2016, table 1, for images of 224 x 224;
VGG-small as in LQ-Nets, Zhang et al. 2018, for images of 32 x 32, whose first layer is not binary;
ResNet-20 for images of 32 x 32, He et al. 2016, section 4.2; cnv as in `model.nets`, whose first
layer takes 8 thermometer levels of 3 colours.
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
    channels of each convolution, a tuple a map size; a stage ends with 2x2 pooling."""

    size: int
    channels: int
    stages: tuple[tuple[int, ...], ...]

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
    "resnet18": Stack(56, 64, ((64,) * 4, (128,) * 4, (256,) * 4, (512,) * 4)),
    "resnet34": Stack(56, 64, ((64,) * 6, (128,) * 8, (256,) * 12, (512,) * 6)),
    "vgg-small": Stack(32, 128, ((128,), (256, 256), (512, 512))),
    "resnet20": Stack(32, 16, ((16,) * 6, (32,) * 6, (64,) * 6)),
    "cnv": Stack(32, 24, ((64,), (128,), (128, 256), (256,))),
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
    pools = [pool for stage in stack.stages for pool in ("none",) * (len(stage) - 1) + ("max2",)]
    pools[-1] = "none"
    network = random_network(
        seed,
        image=(1, rows or stack.size, stack.size),
        levels=levels or stack.channels,
        channels=tuple(c_out for stage in stack.stages for c_out in stage),
        pools=tuple(pools),
        tau=tau,
        antipodal=antipodal,
        name=f"{name}-3x3",
    )
    whole = TAPS * stack.kernel_applications
    assert rows or levels or sum(conv.macs for conv in network.convs) == whole
    return network
