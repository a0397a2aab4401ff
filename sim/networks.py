"""Whole published networks with random weights: every layer that they have, in its place and size.

`sim.stacks` has their 3x3 convolutions alone. Here are stems, shortcuts and heads, too:

- resnet18 and resnet34, He et al. 2016, table 1, for images of 224 x 224, in the form of Bi-Real
  Net (Liu et al. 2018): every 3x3 convolution has a shortcut of its own around it. Where the map is
  halved, the shortcut is a 1x1 convolution at stride 2 with 8-bit weights on the same planes. The
  stem is a 7x7 convolution at stride 2 and a 3x3 maximum, on the host; the head has 1,000 classes
  over the last stream. resnet18-mean has Bi-Real Net's own shortcuts there: a 2x2 mean of the
  stream, and a 1x1 convolution at stride 1 with 8-bit weights on the signs of that.
- resnet20, He et al. 2016, section 4.2, for images of 32 x 32, in the same form: a 3x3 stem on the
  host, 10 classes.
- vgg-small as in LQ-Nets, Zhang et al. 2018, for images of 32 x 32: the first convolution on 8-bit
  pixels, the head on the flattened map.
- cnv as in `model.nets`: 5 thermometer levels of 3 colours.
"""

from dataclasses import dataclass, replace

from model.errors import UserError
from model.network import INPUT, Network
from sim.random_graph import GraphBuilder

__all__ = ["NETWORKS", "published_network"]

STREAM_BITS = 12
STEM_SCALE = {7: 4, 3: 1}  # image rows for one of the first map, by the stem's kernel


@dataclass(frozen=True)
class _Residual:
    """``size``: rows and columns of the first map; ``stages``: output channels and number of the
    3x3 convolutions, each stage but the first at stride 2; ``mean``: shortcuts halve by one."""

    size: int
    kernel: int
    stages: tuple[tuple[int, int], ...]
    classes: int
    mean: bool = False

    def build(self, seed: int, tau: int, antipodal: bool, rows: int | None) -> Network:
        channels, scale = self.stages[0][0], STEM_SCALE[self.kernel]
        stem = {"kernel": self.kernel, "c_out": channels, "stream": STREAM_BITS}
        if scale > 1:
            stem |= {"stride": 2, "pool": "max3"}
        image = (3, scale * (rows or self.size), scale * self.size)
        graph = GraphBuilder(seed, image, stem=stem)
        last = (len(self.stages) - 1, self.stages[-1][1] - 1)
        before = INPUT
        for stage, (c_out, count) in enumerate(self.stages):
            for number in range(count):
                halved = stage > 0 and number == 0
                shortcut, stride = before, 1
                if halved:
                    stride = 2
                    shortcut = graph.pointwise(
                        c_out,
                        weight_bits=8,
                        source=graph.pool(before) if self.mean else before,
                        stride=1 if self.mean else 2,
                        stream=STREAM_BITS,
                        out_bits=0,
                    )
                before = graph.conv(
                    c_out,
                    tau=tau,
                    antipodal=antipodal,
                    source=before,
                    stride=stride,
                    stream=STREAM_BITS,
                    residual=shortcut,
                    out_bits=0 if (stage, number) == last else 1,
                )
        return graph.head(self.classes, on="stream")


@dataclass(frozen=True)
class _Plain:
    """``channels`` of each 3x3 convolution, and the places of those that are ``pooled``."""

    channels: tuple[int, ...]
    pooled: tuple[int, ...]
    encoding: str
    flatten: bool
    levels: int = 8

    def build(self, seed: int, tau: int, antipodal: bool, rows: int | None) -> Network:
        graph = GraphBuilder(seed, (3, rows or 32, 32), encoding=self.encoding, levels=self.levels)
        for place, c_out in enumerate(self.channels):
            pool = "max2" if place in self.pooled else "none"
            graph.conv(c_out, tau=tau, antipodal=antipodal, pool=pool)
        return graph.head(10, flatten=self.flatten)


NETWORKS = {
    "resnet18": _Residual(56, 7, ((64, 4), (128, 4), (256, 4), (512, 4)), 1000),
    "resnet18-mean": _Residual(56, 7, ((64, 4), (128, 4), (256, 4), (512, 4)), 1000, mean=True),
    "resnet34": _Residual(56, 7, ((64, 6), (128, 8), (256, 12), (512, 6)), 1000),
    "resnet20": _Residual(32, 3, ((16, 6), (32, 6), (64, 6)), 10),
    "vgg-small": _Plain((128, 128, 256, 256, 512, 512), (1, 3, 5), "binary", True),
    "cnv": _Plain((64, 64, 96, 128, 128, 128), (0, 2), "thermometer", False, 5),
}


def published_network(
    name: str, tau: int, seed: int, *, antipodal: bool = True, rows: int | None = None
) -> Network:
    """The network with codebooks of ``2^tau`` kernels, all weights random.

    tau 9 stands for plain 1-bit kernels. ``rows`` cuts the first map, and with it the image and
    all other maps, to fewer rows. Raises UserError for an unknown name.
    """
    if name not in NETWORKS:
        raise UserError(f"--net {name} is not known; known networks: {', '.join(NETWORKS)}")
    network = NETWORKS[name].build(seed, tau, antipodal, rows)
    return replace(network, name=f"{name}-random")
