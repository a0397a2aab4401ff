"""Codebooks: which 2^tau of the 512 binary 3x3 kernels a layer may use. Needs numpy only.

Kinds (`KINDS`):

``sampled``            2^tau kernels drawn at random, fixed (the paper's first stage)
``refined``            drawn at random, then learnt along with the weights (the paper's method)
``antipodal``          2^(tau-1) random kernels and their negations, fixed
``antipodal-refined``  the same, learnt: a kernel and its negation move together
``frequent``           those that the layer, trained at 1 bit for a while, uses most
``selected``           which of the 512 is learnt, without repeats

and ``antipodal-frequent``, ``antipodal-selected``. `model.kinds` has a file for each, and
`model.learnt` the torch module. Numbers and orders of kernels are those of `model.bits`.
"""

import numpy as np

from model import bits
from model.errors import UserError

__all__ = ["KINDS", "TAU_OF_BITS", "frequent", "sample", "tau_of"]

KINDS = (
    "sampled", "refined", "antipodal", "antipodal-refined",
    "frequent", "antipodal-frequent", "selected", "antipodal-selected",
)  # fmt: skip
TAU_OF_BITS = {"1": 9, "0.67": 6, "0.56": 5, "0.44": 4, "0.33": 3}


def tau_of(weight_bits: str) -> int:
    """Index bits of a figure of bits a weight, such as "0.56"; UserError for an illegal one."""
    if weight_bits not in TAU_OF_BITS:
        raise UserError(
            f"--bits {weight_bits} is not possible; legal values: {', '.join(TAU_OF_BITS)}"
        )
    return TAU_OF_BITS[weight_bits]


def sample(tau: int, antipodal: bool, rng: np.random.Generator) -> np.ndarray:
    """Kernel numbers, uint16 [2^tau], drawn without replacement; antipodal in canonical order."""
    if not antipodal:
        return np.sort(rng.choice(bits.KERNELS, 1 << tau, replace=False)).astype(np.uint16)
    numbers = np.arange(bits.KERNELS)
    even = numbers[bits.popcount(numbers) % 2 == 0]
    chosen = rng.choice(even, 1 << (tau - 1), replace=False)
    return bits.antipodal_order(np.concatenate([chosen, (bits.KERNELS - 1) ^ chosen]))


def frequent(numbers: np.ndarray, tau: int, antipodal: bool) -> np.ndarray:
    """The 2^tau kernel numbers, uint16, most often among ``numbers`` (any shape), ascending.

    Antipodal: the pairs of k and -k most often used together, in canonical order. Of equals the
    lower number is taken, and unused ones where fewer than 2^tau are used.
    """
    uses = np.bincount(np.asarray(numbers).reshape(-1), minlength=bits.KERNELS)
    if not antipodal:
        return np.sort(np.argsort(-uses, kind="stable")[: 1 << tau]).astype(np.uint16)
    even = np.flatnonzero(bits.popcount(np.arange(bits.KERNELS)) % 2 == 0)
    both = uses[even] + uses[bits.KERNELS - 1 - even]
    chosen = even[np.argsort(-both, kind="stable")[: 1 << (tau - 1)]]
    return bits.antipodal_order(np.concatenate([chosen, (bits.KERNELS - 1) ^ chosen]))
