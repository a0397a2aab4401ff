"""The networks that ``--net`` names: a plain stack, described by a small dataclass.

Sizes suit the accelerator: channel counts are multiples of 16, most of 32, and maps fill words of
32 pixels well (28 and 14 wide: 28 of 32). `model.stack` builds them; this module needs no torch.
"""

from dataclasses import dataclass

from model.errors import UserError

__all__ = ["NETS", "NetConfig", "net_config"]


@dataclass(frozen=True)
class NetConfig:
    """A stack of convolutions on images of (colours, height, width).

    ``layers``: (output channels, whether 2x2 pooling follows) of each convolution.
    """

    name: str
    image: tuple[int, int, int]
    levels: int
    layers: tuple[tuple[int, bool], ...]
    classes: int = 10
    scaled: bool = False

    @property
    def kernel_applications(self) -> int:
        """Applications of a 3x3 kernel to a window, an image."""
        colours, height, width = self.image
        total, c_in = 0, colours * self.levels
        for c_out, pooled in self.layers:
            total += c_in * c_out * height * width
            c_in = c_out
            if pooled:
                height, width = height // 2, width // 2
        return total


_CONFIGS = (
    # 16 levels tell all 17 grey levels of the digits apart.
    NetConfig("digits", (1, 8, 8), 16, ((32, False), (64, True), (64, False))),
    NetConfig("small", (1, 28, 28), 8, ((32, True), (64, True), (128, True), (128, False))),
    NetConfig(
        "cnv",
        (3, 32, 32),
        8,
        ((64, True), (128, True), (128, False), (256, True), (256, False)),
    ),
)
NETS = {config.name: config for config in _CONFIGS}


def net_config(name: str, image: tuple[int, int, int]) -> NetConfig:
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
