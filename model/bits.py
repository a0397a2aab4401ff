"""Every convention about single bits, defined once: signs, kernel numbers, index streams.

A binary value is -1 or +1 and is held as the bit 0 or 1; ``sign(0) = +1``.

A 3x3 kernel is one of 512 points of {-1, +1}^9 and is named by its **kernel number**: tap
``t = 3 * ky + kx`` (row-major, in the order in which ``conv2d`` cross-correlates) is bit ``t``,
so the top left tap is the lowest bit.

An **index stream** packs ``tau`` bits an index, lowest bit first, without gaps between indices;
the last byte is filled up with zeros.
"""

import numpy as np

__all__ = [
    "KERNELS",
    "TAPS",
    "antipodal_order",
    "is_antipodal",
    "kernel_numbers",
    "kernel_signs",
    "pack_indices",
    "popcount",
    "sign",
    "unpack_indices",
]

TAPS = 9
KERNELS = 1 << TAPS


def sign(x: np.ndarray) -> np.ndarray:
    """-1 or +1 (int8) for each element; ``sign(0) = +1``."""
    return np.where(np.asarray(x) >= 0, 1, -1).astype(np.int8)


def kernel_numbers(kernels: np.ndarray) -> np.ndarray:
    """Kernel numbers (uint16 [...]) of +-1 or real kernels [..., 3, 3] or [..., 9], by sign."""
    taps = np.asarray(kernels)
    if taps.shape[-1] != TAPS:
        taps = taps.reshape(*taps.shape[:-2], TAPS)
    weights = (1 << np.arange(TAPS)).astype(np.uint16)
    return ((taps >= 0) * weights).sum(axis=-1).astype(np.uint16)


def kernel_signs(numbers: np.ndarray) -> np.ndarray:
    """Kernels of -1 and +1 (int8 [..., 9]) of kernel numbers [...]."""
    bits = (np.asarray(numbers)[..., None] >> np.arange(TAPS)) & 1
    return (2 * bits - 1).astype(np.int8)


def popcount(numbers: np.ndarray) -> np.ndarray:
    """Number of set bits among the lowest 16 of each element."""
    return np.bitwise_count(np.asarray(numbers).astype(np.uint16)).astype(np.int64)


def antipodal_order(codebook: np.ndarray) -> np.ndarray:
    """The canonical order of a codebook that is closed under negation.

    Of every pair (k, -k) exactly one member has an even number of +1 taps (the two counts add up
    to 9). The even members come first, ascending; entry ``i + half`` is the negation of entry
    ``i``, so that the top index bit is a sign.

    Raises ValueError when the codebook is not closed under negation.
    """
    numbers = np.asarray(codebook, np.uint16)
    even = np.sort(numbers[popcount(numbers) % 2 == 0])
    ordered = np.concatenate([even, (KERNELS - 1) ^ even]).astype(np.uint16)
    if not np.array_equal(np.sort(ordered), np.sort(numbers)):
        raise ValueError("the codebook is not closed under negation")
    return ordered


def is_antipodal(codebook: np.ndarray) -> bool:
    """Whether the codebook is closed under negation and in the order of `antipodal_order`."""
    numbers = np.asarray(codebook, np.int64)
    half = len(numbers) // 2
    return (
        len(numbers) % 2 == 0
        and bool(np.all(numbers[half:] == (KERNELS - 1) ^ numbers[:half]))
        and bool(np.all(popcount(numbers[:half]) % 2 == 0))
    )


def pack_indices(indices: np.ndarray, tau: int) -> np.ndarray:
    """The index stream (uint8 [ceil(n * tau / 8)]) of indices of any shape, in row-major order."""
    flat = np.asarray(indices).reshape(-1, 1)
    return np.packbits((flat >> np.arange(tau)) & 1, bitorder="little")


def unpack_indices(stream: np.ndarray, count: int, tau: int) -> np.ndarray:
    """The first ``count`` indices (uint16 [count]) of an index stream."""
    bits = np.unpackbits(stream, count=count * tau, bitorder="little").reshape(count, tau)
    return (bits.astype(np.uint16) << np.arange(tau, dtype=np.uint16)).sum(
        axis=1, dtype=np.uint16
    )
