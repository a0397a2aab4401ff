"""Whether a torch network and its export put every image into the same class.

They compute the same whole sums, and streams the same whole numbers from them (`model.streams`).
Where a norm is compared with a threshold at once, its float32 can fall on the other side than the
exact comparison, if it lies on a rounding edge. Where classes differ, the first tensor that does is
looked at: a difference that is no rounding is an error.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from model import golden
from model.errors import CheckError
from model.fixed_point import values_of
from model.fold import affine
from model.graph import gather
from model.link import link
from model.network import INPUT, Network
from model.units import Unit
from model.watch import watch

__all__ = ["Agreement", "Difference", "compare", "first_difference", "predict"]

# A float this near to a threshold, in units of one step of the whole sum, is on the edge: the
# rounding errors of float32 on sums of a few thousand stay below a thousandth.
EDGE = 0.01
# Steps of a stream that rounding explains: sums past 2^24 are rounded in float32, so that one may
# come to the next step; a PReLU may double it and round once more.
STEPS, STEPS_PRELU = 1, 3
SCORE = 1e-5  # share of the largest score: streams' scores are rounded in float32
BATCH = 500


@dataclass(frozen=True)
class Difference:
    """The first tensor of an image in which an export differs from its torch network.

    ``layer`` is the convolution's name; ``tensor`` "planes", "stream" or "scores"; ``count`` of
    ``size`` numbers differ, by up to ``largest`` (of planes and streams in whole numbers of the
    file). ``rounding`` says whether rounding explains it.
    """

    layer: str
    tensor: str
    count: int
    size: int
    largest: float
    rounding: bool

    def __str__(self) -> str:
        return (
            f"layer {self.layer}: {self.count} of {self.size} numbers in its {self.tensor} differ, "
            f"by up to {self.largest:g}"
        )


@dataclass(frozen=True)
class Agreement:
    """Outcome over ``images``: accuracies, and images whose classes differ, all by rounding;
    ``differences`` has the first difference of each."""

    images: int
    float_accuracy: float
    golden_accuracy: float
    disagreements: int
    differences: tuple[Difference, ...] = ()


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
    link(net, network.image)
    floats = predict(net, torch.from_numpy(images)).numpy()
    exact = golden.classify(network, images)
    differing = np.flatnonzero(floats != exact)
    found = []
    for place in differing:
        difference = first_difference(net, network, images[place : place + 1])
        if not difference.rounding:
            raise CheckError(
                f"test image {place}: the export is not the trained network: {difference}, which "
                "no rounding explains"
            )
        found.append(difference)
    return Agreement(
        len(images),
        float((floats == labels).mean()),
        float((exact == labels).mean()),
        len(differing),
        tuple(found),
    )


def first_difference(net: nn.Module, network: Network, image: np.ndarray) -> Difference | None:
    """The first tensor in which both differ on an image, uint8 [1, colours, H, W]; None if none
    does. Raises UserError where the network cannot be exported at all."""
    link(net, network.image)
    given = torch.from_numpy(image)
    calls, result = watch(net, given)
    graph = gather(calls, given, result)
    trace = golden.trace(network, image)
    units: list[tuple[int, Unit]] = list(enumerate(graph.units))
    if graph.stem is not None:
        units.insert(0, (INPUT, graph.stem))
    for place, unit in units:
        inside = place != INPUT
        stream = trace.streams[place] if inside else trace.stream
        planes = trace.activations[place] if inside else trace.planes
        if unit.stream is not None:
            difference = _in_stream(unit, stream)
        elif unit.activation is not None:
            difference = _in_planes(unit, planes, network.convs[place].out_bits)
        if difference is not None:
            return difference
        if unit.stream is not None and unit.activation is not None:
            layer = network.convs[place] if inside else network.stem
            difference = _planes(unit, values_of(planes, layer.out_bits), False)
            if difference is not None:
                return difference
    return _in_scores(network, result.numpy()[0], trace.scores[0])


def _in_stream(unit: Unit, expected: np.ndarray) -> Difference | None:
    stream = unit.stream.module
    apart = np.abs(unit.numbers.numpy().astype(np.float64) * 2.0**stream.fraction - expected)
    if not apart.any():
        return None
    limit = STEPS if stream.prelu is None else STEPS_PRELU
    return _difference(unit.path, "stream", apart, bool(apart.max() <= limit))


def _planes(unit: Unit, expected: np.ndarray, rounding: bool) -> Difference | None:
    apart = np.abs(unit.levels.numpy() - expected)
    return _difference(unit.path, "planes", apart, rounding) if apart.any() else None


def _in_planes(unit: Unit, planes: np.ndarray, out_bits: int) -> Difference | None:
    """Planes that come from thresholds on sums: floats on an edge may fall on either side."""
    expected = values_of(planes, out_bits)
    wrong = unit.activation.output.numpy() != expected
    norm = unit.norm.module if unit.norm else None
    slope, _ = affine(norm, unit.conv.module.scales().detach().cpu().numpy())
    x = unit.activation.inputs[0].numpy()
    if (shift := getattr(unit.activation.module, "shift", None)) is not None:
        x = x - shift.detach().cpu().numpy()[:, None, None]
    near = np.abs(x) <= EDGE * np.abs(slope)[:, None, None]
    return _planes(unit, expected, bool(near[wrong].all()))


def _in_scores(network: Network, floats: np.ndarray, exact: np.ndarray) -> Difference | None:
    """The head; by its class alone, as the float scores are the exact ones times a factor."""
    chosen, right = int(floats.argmax()), int(exact.argmax())
    if chosen == right:
        return None
    gap = float(exact[right] - exact[chosen])
    near = network.head.on == "stream" and gap <= SCORE * np.abs(exact).max()
    return Difference(network.head.name, "scores", 1, len(exact), gap, near)


def _difference(layer: str, tensor: str, apart: np.ndarray, rounding: bool) -> Difference:
    return Difference(
        layer, tensor, int((apart > 0).sum()), apart.size, float(apart.max()), rounding
    )
