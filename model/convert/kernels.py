"""One layer's step from 512 kernels to 2^tau: codebook by frequency, nearest index. Numpy only."""

from dataclasses import dataclass

import numpy as np

from model import bits
from model.codebooks import frequent

__all__ = ["Converted", "convert_layer"]

CHUNK = 1 << 15  # weights whose products with every codeword are held at once


@dataclass(frozen=True, eq=False)
class Converted:
    """A layer's codebook uint16 [2^tau], indices uint16 [c_out, c_in], and how well they agree.

    ``kept`` is the share of kernels that stay as they were, ``distance`` the mean number of taps,
    of 9, whose sign changes.
    """

    name: str
    codebook: np.ndarray
    indices: np.ndarray
    kept: float
    distance: float

    def plain(self) -> dict:
        """As it stands in convert.json."""
        return {
            "name": self.name,
            "c_out": self.indices.shape[0],
            "c_in": self.indices.shape[1],
            "kept": self.kept,
            "distance": self.distance,
        }


def convert_layer(name: str, weights: np.ndarray, tau: int, antipodal: bool) -> Converted:
    """Convert real or +-1 ``weights`` [c_out, c_in, 3, 3].

    The codebook are the kernels most frequent among the weights' signs. A kernel's index is the
    codeword with the largest product with its weights, as in training, so that of a +-1 kernel is
    the nearest by Hamming distance; the first among equals.
    """
    c_out, c_in = weights.shape[:2]
    flat = weights.reshape(-1, bits.TAPS).astype(np.float64)
    own = bits.kernel_numbers(flat)
    codebook = frequent(own, tau, antipodal)
    words = bits.kernel_signs(codebook).astype(np.float64).T
    indices = np.concatenate(
        [(flat[at : at + CHUNK] @ words).argmax(1) for at in range(0, len(flat), CHUNK)]
    )
    apart = bits.popcount(own ^ codebook[indices])
    return Converted(
        name,
        codebook,
        indices.reshape(c_out, c_in).astype(np.uint16),
        float((apart == 0).mean()),
        float(apart.mean()),
    )
