"""The networks that ``--net`` names, plain and residual, described by small dataclasses.

Sizes of the project's own suit the accelerator: channel counts are multiples of 16, most of 32, and
maps fill words of 32 pixels well (28 and 14 wide: 28 of 32). `model.stack` and `model.resnet` build
them; this module needs no torch.

Sources of the published ones: ResNet-18 and ResNet-34, He et al. 2016, table 1, at 224 x 224;
ResNet-20 for CIFAR-10, section 4.2; VGG-small, LQ-Nets, Zhang et al. 2018; shortcuts around every
single 3x3 layer, Bi-Real Net, Liu et al. 2018.
"""

from dataclasses import dataclass

from model.cost import LayerShape
from model.errors import UserError

__all__ = ["NETS", "NetConfig", "ResNetConfig", "net_config"]


@dataclass(frozen=True)
class NetConfig:
    """A stack of convolutions on images of (colours, height, width).

    ``layers``: (output channels, whether 2x2 pooling follows) of each convolution. The first reads
    a thermometer of ``levels``, or with ``stem`` channels the signs behind a 3x3 convolution of
    so many channels on the pixels. With ``flatten`` the head reads every pixel of the last map.
    ``padding`` is what lies around the maps: "zero", "plus" or "minus".
    """

    name: str
    image: tuple[int, int, int]
    levels: int
    layers: tuple[tuple[int, bool], ...]
    classes: int = 10
    scaled: bool = False
    stem: int = 0
    flatten: bool = False
    padding: str = "zero"

    @property
    def shapes(self) -> list[LayerShape]:
        """The 3x3 layers from codebooks."""
        colours, height, width = self.image
        shapes, c_in = [], self.stem or colours * self.levels
        for c_out, pooled in self.layers:
            shapes.append(LayerShape(c_in, c_out, height, width))
            c_in = c_out
            if pooled:
                height, width = height // 2, width // 2
        return shapes

    @property
    def kernel_applications(self) -> int:
        """Applications of a 3x3 kernel to a window, an image."""
        return sum(shape.applications for shape in self.shapes)


@dataclass(frozen=True)
class ResNetConfig:
    """A residual network of 3x3 layers, each with a shortcut of its own (Bi-Real Net).

    The first layer is a convolution of ``kernel`` on the pixels at ``stride``, with a 3x3 maximum
    at stride 2 behind it with ``pool``. ``stages``: (channels, 3x3 layers); all but the first begin
    at stride 2. ``shifts`` gives signs and streams learnt shifts and the streams a PReLU
    (ReActNet). ``padding`` as in `NetConfig`. ``shortcut`` says what a stage that halves the map
    begins with: "stride", a 1x1 convolution at stride 2 on the planes of the 3x3 layer, or "mean",
    one at stride 1 behind a 2x2 mean of the stream (Bi-Real Net, ReActNet), for even maps.
    """

    name: str
    image: tuple[int, int, int]
    stages: tuple[tuple[int, int], ...]
    classes: int = 10
    kernel: int = 3
    stride: int = 1
    pool: bool = False
    scaled: bool = False
    shifts: bool = False
    padding: str = "zero"
    shortcut: str = "stride"

    @property
    def shapes(self) -> list[LayerShape]:
        """The 3x3 layers from codebooks."""
        _, height, width = self.image
        for _ in range((self.stride == 2) + self.pool):
            height, width = -(-height // 2), -(-width // 2)
        shapes, c_in = [], self.stages[0][0]
        for stage, (c_out, count) in enumerate(self.stages):
            if stage:
                height, width = -(-height // 2), -(-width // 2)
            for _ in range(count):
                shapes.append(LayerShape(c_in, c_out, height, width))
                c_in = c_out
        return shapes

    @property
    def kernel_applications(self) -> int:
        """Applications of a 3x3 kernel to a window, an image."""
        return sum(shape.applications for shape in self.shapes)


_CIFAR, _IMAGENET = (3, 32, 32), (3, 224, 224)


def _wide(*counts: int) -> tuple[tuple[int, int], ...]:
    """Stages of 64 to 512 channels."""
    return tuple(zip((64, 128, 256, 512), counts, strict=True))


def _imagenet(name: str, *counts: int, shortcut: str = "stride") -> ResNetConfig:
    return ResNetConfig(
        name, _IMAGENET, _wide(*counts), 1000, kernel=7, stride=2, pool=True, shortcut=shortcut
    )


_CONFIGS = (
    # 16 levels tell all 17 grey levels of the digits apart.
    NetConfig("digits", (1, 8, 8), 16, ((32, False), (64, True), (64, False))),
    NetConfig("small", (1, 28, 28), 8, ((32, True), (64, True), (128, True), (128, False))),
    # Twice the work of `small`: its last layers see maps of 7 x 7, and there are 192 features.
    NetConfig("medium", (1, 28, 28), 8, ((32, True), (64, True), (128, False), (192, False))),
    # Maps of 32, 16 and 8 pixels a side fill 64 lanes, and groups of 16 channels lack
    # one channel at most: 6.5 M kernel applications an image.
    NetConfig(
        "cnv",
        _CIFAR,
        5,
        ((64, True), (64, False), (96, True), (128, False), (128, False), (128, False)),
    ),
    NetConfig(
        "vgg_small",
        _CIFAR,
        0,
        ((128, True), (256, False), (256, True), (512, False), (512, True)),
        stem=128,
        flatten=True,
    ),
    ResNetConfig("digits_residual", (1, 8, 8), ((32, 3), (64, 2))),
    ResNetConfig("digits_mean", (1, 8, 8), ((32, 3), (64, 2)), shortcut="mean"),
    ResNetConfig("resnet20", _CIFAR, ((16, 6), (32, 6), (64, 6))),
    ResNetConfig("resnet18", _CIFAR, _wide(4, 4, 4, 4)),
    _imagenet("resnet18_imagenet", 4, 4, 4, 4),
    _imagenet("resnet18_mean", 4, 4, 4, 4, shortcut="mean"),
    _imagenet("resnet34", 6, 8, 12, 6),
)
NETS = {config.name: config for config in _CONFIGS}


def net_config(name: str, image: tuple[int, int, int]) -> NetConfig | ResNetConfig:
    """The description of a named network; UserError when unknown or made for other images."""
    if name not in NETS:
        raise UserError(f"--net {name} is not known; known networks: {', '.join(NETS)}")
    config = NETS[name]
    if config.image != image:
        fitting = [c.name for c in NETS.values() if c.image == image]
        raise UserError(
            f"--net {name} takes images of {_by(config.image)}, the data set's are {_by(image)}: "
            f"choose --net {' or '.join(fitting)}"
        )
    return config


def _by(image: tuple[int, int, int]) -> str:
    return "x".join(map(str, image))
