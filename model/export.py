"""From a trained torch network to the exported integer network.

The network is run once on a blank image to see which module feeds which (`model.watch`); it may
consist of the layers of `model.watch.LAYERS`, in the orders that `model.graph` knows, in whatever
nn.Module holds them. What cannot be exported is named by its module path, with what to use
instead. A plain chain of Thermometer, SubBitConv2d, MaxPool2d, BatchNorm2d, Sign and Head becomes
a file of the older versions, anything else one of version 3.
"""

import itertools

import numpy as np
import torch
from torch import nn

from model import bits
from model.calibrate import calibrate, calibrated
from model.errors import UserError
from model.fold import affine, cut
from model.link import graph, link
from model.lower import lower
from model.network import Network

__all__ = ["export", "fold", "graph"]


def fold(norm: nn.BatchNorm2d, scales: np.ndarray, c_in: int) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds int32 and flips bool, [c_out], equal to batch norm and sign on whole sums of
    ``c_in`` binary channels; see `model.fold.cut`."""
    return cut(*affine(norm, scales), bits.TAPS * c_in)


def export(
    net: nn.Module,
    image: tuple[int, int, int],
    name: str,
    provenance: dict | None = None,
    calibration: np.ndarray | None = None,
) -> Network:
    """The integer network of a trained ``net`` for images of (colours, height, width).

    ``calibration``, uint8 images [N, colours, H, W], sets the grids of streams that have none yet
    (in ``net`` itself, which from then on rounds as its export does); chains need none.
    Raises UserError, naming the module, for what the format cannot hold.
    """
    for path, tensor in itertools.chain(net.named_parameters(), net.named_buffers()):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path}: holds values that are not finite; the training diverged")
    traced = graph(net, image)
    if calibration is not None and not calibrated(net):
        calibrate(net, torch.from_numpy(calibration))
    link(net, image)
    return lower(traced, image, name, provenance)
