"""What a layer is for the array: kernels and indices in groups of slots, whatever the layer is.

A **slot** is what a group has C of. Of a 3x3 convolution it is an input channel; of a 1x1
convolution it is a bundle of channels (`hw.pointwise`).
"""

from dataclasses import dataclass

import numpy as np

from hw.params import ArrayParameters
from hw.pointwise import bundles, universal_codebook, universal_indices
from model import bits
from model.network import Conv, Pointwise

__all__ = ["Work", "work_of"]

ALL_TAPS = bits.KERNELS - 1


@dataclass(frozen=True, eq=False)
class Work:
    """A layer's work for an array.

    ``kernels`` int64 [weight planes, c_out, slots] are kernel numbers, ``indices`` the same in the
    engine's own indices; ``codebook`` int64 are the kernels of its entries, at most as many as the
    engine holds. ``outside`` int64 [slots] are masks of the taps that hold no channel. ``taps``
    channels make a slot, ``last_taps`` the last one.
    """

    indices: np.ndarray
    kernels: np.ndarray
    codebook: np.ndarray
    outside: np.ndarray
    taps: int = 1
    last_taps: int = 1

    @property
    def slots(self) -> int:
        return self.kernels.shape[2]

    def negated(self, parameters: ArrayParameters) -> np.ndarray:
        """Where the engine's sign bit is set, bool [weight planes, c_out, slots]; nowhere without
        an antipodal codebook."""
        return parameters.antipodal & (self.indices >> (parameters.tau - 1) == 1)


def work_of(layer: Conv | Pointwise, parameters: ArrayParameters) -> Work:
    """The work that a layer is for an array with these parameters."""
    if isinstance(layer, Pointwise):
        return _bundled(layer, parameters)
    return _plain(layer, parameters)


def _plain(conv: Conv, parameters: ArrayParameters) -> Work:
    kernels = conv.kernels.astype(np.int64)[None]
    codebook = conv.codebook.astype(np.int64)
    indices = conv.indices.astype(np.int64)[None]
    if parameters.antipodal:
        # The sign is the engine's top index bit, also for a layer with a smaller codebook.
        half = 1 << (conv.tau - 1)
        indices = (indices % half) | (indices // half) << (parameters.tau - 1)
        codebook = codebook[:half]
    if not parameters.has_codebook:
        indices, codebook = kernels, codebook[:0]
    return Work(indices, kernels, codebook, np.zeros(conv.c_in, np.int64))


def _bundled(layer: Pointwise, parameters: ArrayParameters) -> Work:
    tau, antipodal = parameters.tau, parameters.antipodal
    features = layer.codes.shape[1]
    # As few as make no more groups: a group's time to read is that of all its C slots.
    groups = -(-features // (tau * parameters.channels))
    taps = -(-features // (groups * parameters.channels))
    codes = layer.codes
    if layer.flatten:
        # The loader reads all channels of a pixel before those of the next.
        codes = codes.reshape(layer.c_out, layer.c_in, -1).transpose(0, 2, 1).reshape(codes.shape)
    patterns = bundles(codes, layer.weight_bits, taps)
    indices = universal_indices(patterns, tau, antipodal)
    codebook = universal_codebook(tau, antipodal)
    slots = patterns.shape[2]
    last_taps = features - (slots - 1) * taps
    outside = np.full(slots, ALL_TAPS >> taps << taps)
    outside[-1] = ALL_TAPS >> last_taps << last_taps
    return Work(
        indices=indices,
        kernels=codebook[indices],
        codebook=codebook[: parameters.entries],
        outside=outside,
        taps=taps,
        last_taps=last_taps,
    )
