"""Random networks and images from a seed: every corner of the format, no training."""

import numpy as np

from model import bits
from model.format import Conv, Head, Network

__all__ = ["random_codebook", "random_images", "random_network"]


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
    tau: int = 5,
    antipodal: bool = True,
    classes: int = 10,
) -> Network:
    """A network of random weights whose thresholds lie where random sums fall."""
    rng = np.random.default_rng(seed)
    colours, height, width = image
    thresholds = np.sort(rng.integers(1, 256, (colours, levels)), axis=1).astype(np.uint8)
    layers = []
    c_in = colours * levels
    for place, (c_out, pool) in enumerate(zip(channels, pools, strict=True)):
        spread = 3 * np.sqrt(c_in)
        limit = bits.TAPS * c_in
        cut = np.clip(np.rint(rng.normal(0, spread, c_out)), -limit, limit + 1).astype(np.int32)
        conv = Conv(
            name=f"conv{place + 1}",
            height=height,
            width=width,
            tau=tau,
            pool=pool,
            codebook=random_codebook(rng, tau, antipodal),
            indices=rng.integers(0, 1 << tau, (c_out, c_in)).astype(np.uint16),
            thresholds=cut,
            flips=rng.random(c_out) < 0.5,
        )
        layers.append(conv)
        c_in, height, width = conv.out_shape
    weight = rng.integers(-128, 128, (classes, c_in)).astype(np.int8)
    bias = rng.integers(-1000, 1000, classes).astype(np.int32)
    layers.append(Head("head", c_in, height, width, weight, bias))
    return Network(f"random{seed}", image, thresholds, tuple(layers), {"seed": seed})


def random_images(seed: int, network: Network, count: int) -> np.ndarray:
    """uint8 [count, colours, H, W]; the first ones are all 0, all 255, then noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *network.image)).astype(np.uint8)
    for place, value in enumerate((0, 255)[:count]):
        if count > place + 1:
            images[place] = value
    return images
