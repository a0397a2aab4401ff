"""Random networks, images and engine shapes from a seed: every corner of the format, untrained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model import bits
from model.format import Conv, Head, Network
from model.network import Pointwise, Pooling

__all__ = ["Case", "random_case", "random_codebook", "random_images", "random_network"]


def random_codebook(rng: np.random.Generator, tau: int, antipodal: bool) -> np.ndarray:
    """A codebook of 2^tau different kernel numbers, uint16; antipodal ones in canonical order."""
    if tau == bits.TAPS:
        return np.arange(bits.KERNELS, dtype=np.uint16)
    numbers = np.arange(bits.KERNELS, dtype=np.uint16)
    if not antipodal:
        return rng.choice(numbers, 1 << tau, replace=False)
    even = rng.choice(numbers[bits.popcount(numbers) % 2 == 0], 1 << (tau - 1), replace=False)
    return bits.antipodal_order(np.concatenate([even, (bits.KERNELS - 1) ^ even]))


def random_network(
    seed: int,
    *,
    image: tuple[int, int, int] = (1, 8, 8),
    levels: int = 3,
    channels: tuple[int, ...] = (8, 12),
    pools: tuple[str, ...] = ("none", "max2"),
    strides: tuple[int, ...] | None = None,
    tau: int | Sequence[int] = 5,
    antipodal: bool | Sequence[bool] = True,
    classes: int = 10,
    extreme: float = 0.0,
    name: str | None = None,
) -> Network:
    """A network of random weights whose thresholds lie where random sums fall.

    ``tau`` and ``antipodal`` may be one value for all layers or one a layer; ``strides`` are 1
    where they are not given. ``extreme`` is the share of thresholds at or next to the ends of
    their range, where a bit is always or never set.
    """
    rng = np.random.default_rng(seed)
    colours, height, width = image
    thresholds = np.sort(rng.integers(1, 256, (colours, levels)), axis=1).astype(np.uint8)
    taus = [tau] * len(channels) if isinstance(tau, int) else tau
    books = [antipodal] * len(channels) if isinstance(antipodal, bool) else antipodal
    strides = strides or (1,) * len(channels)
    layers = []
    c_in = colours * levels
    for place, (c_out, pool, stride) in enumerate(zip(channels, pools, strides, strict=True)):
        spread = 3 * np.sqrt(c_in)
        limit = bits.TAPS * c_in
        cut = np.clip(np.rint(rng.normal(0, spread, c_out)), -limit, limit + 1).astype(np.int32)
        ends = rng.choice([-limit, 1 - limit, limit, limit + 1], c_out).astype(np.int32)
        conv = Conv(
            name=f"conv{place + 1}",
            height=height,
            width=width,
            tau=taus[place],
            pool=pool,
            codebook=random_codebook(rng, taus[place], books[place]),
            indices=rng.integers(0, 1 << taus[place], (c_out, c_in)).astype(np.uint16),
            thresholds=np.where(rng.random(c_out) < extreme, ends, cut),
            flips=rng.random(c_out) < 0.5,
            stride=stride,
        )
        layers.append(conv)
        c_in, height, width = conv.out_shape
    weight = rng.integers(-128, 128, (classes, c_in)).astype(np.int8)
    bias = rng.integers(-1000, 1000, classes).astype(np.int32)
    layers.append(Head("head", c_in, height, width, weight, bias))
    return Network(name or f"random{seed}", image, thresholds, tuple(layers), {"seed": seed})


def random_images(seed: int, network: Network, count: int) -> np.ndarray:
    """uint8 [count, colours, H, W]; the first ones are all 0, all 255, then noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *network.image)).astype(np.uint8)
    for place, value in enumerate((0, 255)[:count]):
        if count > place + 1:
            images[place] = value
    return images


@dataclass(frozen=True, eq=False)
class Case:
    """A network, images and an engine's shape (keywords of `hw.compiler.compile_network`)."""

    network: Network
    images: np.ndarray
    shape: dict

    def __str__(self) -> str:
        convs = ", ".join(map(_words, self.network.convs))
        kind = "" if self.network.encoding == "thermometer" else f" {self.network.encoding}"
        return f"{self.shape}, {len(self.images)}{kind} images {self.network.image}: {convs}"


def _words(layer: Conv | Pointwise | Pooling) -> str:
    """A layer in a few words."""
    if isinstance(layer, Pooling):
        size = f"{layer.c_out} on {layer.height}x{layer.width}"
        return f"{layer.pool} of the stream of {layer.of}, {size}, to {layer.out_bits} bits"
    text = f"{layer.c_in}->{layer.c_out} on {layer.height}x{layer.width}"
    text += " stride 2" * (layer.stride == 2) + f" {layer.pool}" * (layer.pool != "none")
    if isinstance(layer, Pointwise):
        text += f" 1x1 of {layer.weight_bits} bits"
    else:
        text += f" tau {layer.tau}" + " antipodal" * layer.antipodal
        text += f" padded {layer.padding}" * (layer.padding != "zero")
    text += f" from {layer.in_bits} bits" * (layer.in_bits > 1)
    if layer.stream:
        text += f" to a stream of {layer.stream.bits} bits"
        added = layer.stream.residual
        text += f" plus that of {added}" * (added is not None) + " PReLU" * bool(layer.stream.prelu)
    return text


def random_case(seed: int, *, work: int = 40_000) -> Case:
    """A random network with images and a legal engine shape.

    ``work`` bounds the kernel applications of all images together, and so the time it takes to
    simulate them. Small and odd sizes are as likely as ordinary ones.
    """
    rng = np.random.default_rng(seed)

    def size(high: int) -> int:
        """Log-uniform from 1 to ``high``, so that the small ones come often."""
        return int(np.exp(rng.uniform(0, np.log(high + 1))))

    while True:
        array = rng.choice(["direct", "shared"]).item()
        depth = int(rng.integers(1, 5))
        tau = [int(rng.choice([3, 4, 5, 6]))] * depth
        if array == "direct" and rng.random() < 0.25:
            tau = [bits.TAPS] * depth
        elif rng.random() < 0.2:
            tau = [int(rng.choice([3, 4, 5, 6])) for _ in range(depth)]
        antipodal = rng.random() < 0.6
        mixed = rng.random() < 0.1
        image = (int(rng.integers(1, 4)), size(14), size(14))
        smallest, pools, strides = min(image[1:]), [], []
        for _ in range(depth):
            strides.append(2 if rng.random() < 0.3 else 1)
            smallest = -(-smallest // strides[-1])
            pool = smallest >= 2 and rng.random() < 0.4
            smallest = smallest // 2 if pool else smallest
            pools.append("max2" if pool else "none")
        network = random_network(
            seed,
            image=image,
            levels=size(6),
            channels=tuple(size(24) for _ in range(depth)),
            pools=tuple(pools),
            strides=tuple(strides),
            tau=tau,
            antipodal=[antipodal ^ (mixed and place % 2 == 1) for place in range(depth)],
            classes=size(12),
            extreme=float(rng.choice([0.0, 0.1, 0.5])),
        )
        channels = size(16)
        pixels = image[2] - 1 + size(40)
        if rng.random() < 0.4:
            # Rows are cut, but for where a single tile is drawn.
            pixels = -(-image[2] // size(8))
        shape = {"array": array, "pixels": pixels, "channels": channels}
        if array == "shared" and rng.random() < 0.7:
            divisors = [fill for fill in range(1, channels + 1) if channels % fill == 0]
            shape["fill"] = int(rng.choice(divisors))
        count = int(rng.integers(1, 5))
        if count * sum(c.macs // bits.TAPS for c in network.convs) <= work:
            return Case(network, random_images(seed, network, count), shape)
