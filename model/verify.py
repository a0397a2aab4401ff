"""Whether a torch network and its export put every image into the same class.

They compute the same whole sums; only batch norm in float32 can fall on the other side of a
threshold than the exact integer comparison, and only when the float lies on a rounding edge.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from model import golden
from model.errors import CheckError
from model.export import Step, affine, chain
from model.format import Network
from model.layers import Sign, SubBitConv2d

__all__ = ["Agreement", "compare", "predict"]

# A float this near to a threshold, in units of one step of the whole sum, is on the edge: the
# rounding errors of float32 on sums of a few thousand stay below a thousandth.
EDGE = 0.01
BATCH = 500


@dataclass(frozen=True)
class Agreement:
    """Outcome over ``images``: accuracies, and images whose classes differ, all on an edge."""

    images: int
    float_accuracy: float
    golden_accuracy: float
    disagreements: int


@torch.no_grad()
def predict(net: nn.Module, images: Tensor, tick: Callable[[], None] = lambda: None) -> Tensor:
    """Classes, int64 [N], in evaluation mode; ``tick`` is called after each batch."""
    training = net.training
    net.eval()
    classes = []
    for batch in images.split(BATCH):
        classes.append(net(batch).argmax(1))
        tick()
    net.train(training)
    return torch.cat(classes)


def compare(net: nn.Module, network: Network, images: np.ndarray, labels: np.ndarray) -> Agreement:
    """Run both on uint8 ``images`` [N, colours, H, W].

    Raises CheckError naming the layer, where classes differ for any other reason than rounding.
    """
    floats = predict(net, torch.from_numpy(images)).numpy()
    exact = golden.classify(network, images)
    differing = np.flatnonzero(floats != exact)
    for place in differing:
        _require_edge(net, network, images[place : place + 1], int(place))
    return Agreement(
        len(images),
        float((floats == labels).mean()),
        float((exact == labels).mean()),
        len(differing),
    )


def _require_edge(net: nn.Module, network: Network, image: np.ndarray, number: int) -> None:
    """CheckError unless the first differing activations of an image are all rounding edges."""
    steps = chain(net, network.image)
    trace = golden.trace(network, image)
    before = _fed_to_signs(net, steps, torch.from_numpy(image))
    convs = [step.module for step in steps if isinstance(step.module, SubBitConv2d)]
    norms = [step.module for step in steps if isinstance(step.module, nn.BatchNorm2d)]
    for place, conv in enumerate(network.convs):
        x, expected = before[place], trace.activations[place]
        wrong = (x.numpy() >= 0) != expected
        if not wrong.any():
            continue
        slope, _ = affine(norms[place], convs[place].scales().cpu().numpy())
        if (np.abs(x.numpy()) <= EDGE * np.abs(slope)[:, None, None])[wrong].all():
            return
        raise CheckError(
            f"test image {number}: layer {conv.name} of the export differs from the trained "
            f"network in {int(wrong.sum())} activations that no rounding explains"
        )
    raise CheckError(f"test image {number}: the export's head differs from the trained network's")


@torch.no_grad()
def _fed_to_signs(net: nn.Module, steps: list[Step], image: Tensor) -> list[Tensor]:
    """What each Sign of the chain is fed on one image, in order."""
    fed: list[Tensor] = []
    hooks = [
        step.module.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
        for step in steps
        if isinstance(step.module, Sign)
    ]
    training = net.training
    net.eval()
    net(image)
    net.train(training)
    for hook in hooks:
        hook.remove()
    return fed
