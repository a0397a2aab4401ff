"""Converts an exported network: the file's own integers, so neither torch nor training is needed.
"""

import dataclasses

import numpy as np

from model import bits, golden
from model.convert.kernels import Converted, convert_layer
from model.errors import UserError
from model.network import Conv, Network

__all__ = ["accuracy", "convert_network"]


def convert_network(
    network: Network, tau: int, antipodal: bool, provenance: dict
) -> tuple[Network, list[Converted]]:
    """The network with every plain binary 3x3 layer at ``tau`` bits, and what became of each.

    Everything else stays. Raises UserError where there is no such layer.
    """
    layers, done = list(network.layers), []
    for place, layer in enumerate(network.layers):
        if not isinstance(layer, Conv) or layer.tau < bits.TAPS:
            continue
        weights = bits.kernel_signs(layer.kernels).reshape(layer.c_out, layer.c_in, 3, 3)
        found = convert_layer(layer.name, weights, tau, antipodal)
        done.append(found)
        layers[place] = dataclasses.replace(
            layer, tau=tau, codebook=found.codebook, indices=found.indices
        )
    if not done:
        raise UserError(f"{network.name}: has no 1-bit layer, every 3x3 layer has a codebook")
    return dataclasses.replace(network, layers=tuple(layers), provenance=provenance), done


def accuracy(network: Network, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of the images that the golden model puts into the right class."""
    return float((golden.classify(network, images) == labels).mean())
