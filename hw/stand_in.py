"""What a pooling of a stream is for the array: a 3x3 convolution whose sums count nothing.

A pooling needs no sums, but it needs all that comes with them: the walk over a map's tiles and
channels, a residual for each of them, the pool, thresholds, planes, and places for what comes out.
So it runs as a layer like the others: a convolution of one channel whose sums are multiplied by 0
and whose residual is the stream to be pooled. No index word is stored or fetched for it, and it is
as long as its passes: one a tile, ``c_out`` cycles each.
"""

from dataclasses import dataclass

import numpy as np

from hw.params import ArrayParameters
from model.network import Conv, Network, Pointwise, Pooling

__all__ = ["StandIn", "array_layers"]


@dataclass(frozen=True, eq=False)
class StandIn(Conv):
    """The convolution that stands for a pooling."""


def array_layers(network: Network, parameters: ArrayParameters) -> list[Conv | Pointwise]:
    """The layers of a network, head left out, as the array runs them."""
    return [
        _stand_in(layer, parameters) if isinstance(layer, Pooling) else layer
        for layer in network.convs
    ]


def _stand_in(layer: Pooling, parameters: ArrayParameters) -> StandIn:
    return StandIn(
        name=layer.name,
        height=layer.height,
        width=layer.width,
        tau=parameters.tau,
        pool=layer.pool,
        codebook=np.zeros(1 << parameters.tau, np.uint16),
        indices=np.zeros((layer.c_out, 1), np.uint16),
        thresholds=layer.thresholds,
        flips=layer.flips,
        out_bits=layer.out_bits,
        step=layer.step,
        stream=layer.stream,
    )
