"""Figures of a layer's codebook and indices: use, entropy, distances. Numpy only."""

from dataclasses import dataclass

import numpy as np

from model import bits
from model.network import Conv, Network

__all__ = ["LayerFacts", "distances", "entropy", "layer_facts"]


@dataclass(frozen=True, eq=False)
class LayerFacts:
    """A 3x3 layer: kernel numbers and uses of its codewords, int [2^tau], most used first.

    Of an antipodal layer, each pair of k and -k is one entry: ``numbers`` holds k, ``uses`` how
    often k is used and ``negated`` how often -k (otherwise all 0), sorted by their sum.
    """

    name: str
    c_in: int
    c_out: int
    tau: int
    antipodal: bool
    numbers: np.ndarray
    uses: np.ndarray
    negated: np.ndarray
    entropy: float

    @property
    def total(self) -> np.ndarray:
        """Uses of each entry in either sign."""
        return self.uses + self.negated

    @property
    def count(self) -> int:
        """Kernels of the layer."""
        return self.c_in * self.c_out

    @property
    def codewords(self) -> np.ndarray:
        """Uses of every codeword by itself, the pairs' members apart, in no order."""
        return np.concatenate([self.uses, self.negated]) if self.antipodal else self.uses

    @property
    def unused(self) -> int:
        """Codewords that no kernel uses."""
        return int((self.codewords == 0).sum())

    @property
    def every(self) -> np.ndarray:
        """Kernel numbers of the whole codebook, the negations behind the others."""
        if not self.antipodal:
            return self.numbers
        return np.concatenate([self.numbers, (bits.KERNELS - 1) ^ self.numbers])

    @property
    def closest(self) -> int:
        """Taps in which the two most alike codewords differ."""
        apart = distances(self.every)
        return int(apart[~np.eye(len(apart), dtype=bool)].min())


def entropy(uses: np.ndarray) -> float:
    """Bits an index holds on average, for codewords used so often: -sum p log2 p."""
    shares = uses[uses > 0] / uses.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def distances(numbers: np.ndarray) -> np.ndarray:
    """Taps in which kernels differ (Hamming distance, 0 to 9), [n, n]."""
    wide = np.asarray(numbers, np.int64)
    return bits.popcount(wide[:, None] ^ wide[None])


def layer_facts(network: Network) -> list[LayerFacts]:
    """One entry a 3x3 layer, in order; layers without a codebook are left out."""
    return [_facts(layer) for layer in network.convs if isinstance(layer, Conv)]


def _facts(layer: Conv) -> LayerFacts:
    uses = np.bincount(layer.indices.reshape(-1), minlength=len(layer.codebook))
    known = entropy(uses)
    numbers, negated = layer.codebook.astype(np.int64), np.zeros_like(uses)
    if layer.antipodal:
        half = len(numbers) // 2
        numbers, uses, negated = numbers[:half], uses[:half], uses[half:]
    order = np.argsort(-(uses + negated), kind="stable")
    return LayerFacts(
        layer.name, layer.c_in, layer.c_out, layer.tau, layer.antipodal,
        numbers[order], uses[order], negated[order], known,
    )  # fmt: skip
