"""From a trained torch network to the exported integer network.

The network is run once on a blank image to see which module feeds which; it must be a chain

    Thermometer, then one or more of (SubBitConv2d, MaxPool2d(2) or nothing, BatchNorm2d, Sign),
    then Head

in whatever nn.Module holds these layers. What cannot be exported is named by its module path.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from model import bits
from model.errors import UserError
from model.format import Conv, Network
from model.format import Head as FormatHead
from model.layers import Head, Sign, SubBitConv2d, Thermometer

__all__ = ["Step", "affine", "chain", "export", "fold"]

_LAYERS = (Thermometer, SubBitConv2d, nn.MaxPool2d, nn.BatchNorm2d, Sign, Head)
# Modules that hand their input through in evaluation.
_TRANSPARENT = (nn.Identity, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True, eq=False)
class Step:
    """One module of the chain: its path in the network, and the shape [1, ...] that it is fed."""

    path: str
    module: nn.Module
    fed: tuple[int, ...]


def chain(net: nn.Module, image: tuple[int, int, int]) -> list[Step]:
    """The layers of ``net`` in the order in which they run on an image (colours, height, width).

    Raises UserError, naming the module, where an output goes anywhere but into the next layer.
    """
    seen: list[tuple[Step, Tensor, Tensor]] = []
    hooks = []

    def watch(path: str, module: nn.Module) -> None:
        def record(_, inputs, output) -> None:
            step = Step(path, module, tuple(inputs[0].shape))
            seen.append((step, inputs[0], output))

        hooks.append(module.register_forward_hook(record))

    inner = {id(child) for m in net.modules() if isinstance(m, _LAYERS) for child in m.children()}
    for path, module in net.named_modules():
        leaf = isinstance(module, _LAYERS) or not any(module.children())
        if leaf and id(module) not in inner:
            watch(path or "network", module)
    training = net.training
    try:
        net.eval()
        with torch.no_grad():
            scores = net(torch.zeros(1, *image, dtype=torch.uint8))
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    for (before, _, output), (step, given, _) in itertools.pairwise(seen):
        if given is not output:
            raise UserError(
                f"{step.path}: its input is not what {before.path} puts out; only a plain chain "
                "of layers can be exported, each of them a module"
            )
    if not seen or seen[-1][2] is not scores:
        last = seen[-1][0].path if seen else "network"
        raise UserError(f"{last}: its output is not the network's; the last layer must be a Head")
    steps = [step for step, _, _ in seen if not isinstance(step.module, _TRANSPARENT)]
    for step in steps:
        if not isinstance(step.module, _LAYERS):
            raise UserError(
                f"{step.path}: a {type(step.module).__name__} cannot be exported; exportable: "
                + ", ".join(layer.__name__ for layer in _LAYERS)
            )
    return steps


def affine(norm: nn.BatchNorm2d, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(slope, offset), float64 [c_out]: in evaluation the norm makes ``slope * sum + offset`` of
    whole sums that reach it multiplied by ``scales``."""

    def wide(tensor: Tensor | None, otherwise: float) -> np.ndarray:
        if tensor is None:
            return np.full(norm.num_features, otherwise)
        return tensor.detach().cpu().numpy().astype(np.float64)

    gain = wide(norm.weight, 1.0) / np.sqrt(wide(norm.running_var, 1.0) + norm.eps)
    offset = wide(norm.bias, 0.0) - gain * wide(norm.running_mean, 0.0)
    return gain * scales.astype(np.float64), offset


def fold(norm: nn.BatchNorm2d, scales: np.ndarray, c_in: int) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds int32 and flips bool, [c_out], equal to batch norm and sign on whole sums.

    bit = (sum >= threshold) xor flip. Computed in float64. Thresholds are held to
    -9 * c_in .. 9 * c_in + 1, beyond which nothing changes.
    """
    slope, offset = affine(norm, scales)
    low, high = -bits.TAPS * c_in, bits.TAPS * c_in + 1
    constant, falling = slope == 0, slope < 0
    # The sum at which slope * sum + offset crosses zero; a tiny slope may put it at infinity.
    with np.errstate(over="ignore"):
        edge = np.clip(-offset / np.where(constant, 1.0, slope), low - 1, high)
    thresholds = np.where(falling, np.floor(edge) + 1, np.ceil(edge))
    # A flat channel: the threshold that no sum reaches, and the constant as the flip.
    thresholds = np.where(constant, high, thresholds)
    flips = np.where(constant, offset >= 0, falling)
    return np.clip(thresholds, low, high).astype(np.int32), flips


def export(
    net: nn.Module, image: tuple[int, int, int], name: str, provenance: dict | None = None
) -> Network:
    """The integer network of a trained ``net`` for images of (colours, height, width).

    Raises UserError, naming the module, for what the format cannot hold.
    """
    for path, tensor in itertools.chain(net.named_parameters(), net.named_buffers()):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path}: holds values that are not finite; the training diverged")
    steps = chain(net, image)
    if not isinstance(steps[0].module, Thermometer):
        raise UserError(f"{steps[0].path}: the first layer must be a Thermometer")
    layers, rest = [], steps[1:]
    while len(rest) > 1:
        layer, used = _conv(rest)
        layers.append(layer)
        rest = rest[used:]
    if not rest or not isinstance(rest[0].module, Head):
        path = rest[0].path if rest else steps[0].path
        raise UserError(f"{path}: the last layer must be a Head")
    layers.append(_head(rest[0]))
    planes = steps[0].module.thresholds.cpu().numpy()
    return Network(name, image, planes, tuple(layers), provenance or {})


def _conv(steps: list[Step]) -> tuple[Conv, int]:
    """The convolution at the front of ``steps``, and how many steps it takes up."""

    def expect(at: int, kind: type, after: str) -> Step:
        if at >= len(steps) or not isinstance(steps[at].module, kind):
            path = steps[min(at, len(steps) - 1)].path
            raise UserError(f"{path}: a {kind.__name__} must come {after}")
        return steps[at]

    first = expect(0, SubBitConv2d, "after the input and after every Sign but the last")
    pooled = len(steps) > 1 and isinstance(steps[1].module, nn.MaxPool2d)
    if pooled:
        _check_pool(steps[1])
    after = f"after {steps[1].path if pooled else first.path}"
    norm = expect(1 + pooled, nn.BatchNorm2d, after)
    if norm.module.running_mean is None:
        raise UserError(f"{norm.path}: a BatchNorm2d without running statistics has no threshold")
    expect(2 + pooled, Sign, f"after {norm.path}")
    conv: SubBitConv2d = first.module
    with torch.no_grad():
        training = conv.training
        conv.eval()
        numbers = bits.kernel_numbers(conv.kernels().cpu().numpy())
        scales = conv.scales().cpu().numpy()
        conv.train(training)
    if conv.codebook is None:
        codebook = np.arange(bits.KERNELS, dtype=np.uint16)
    else:
        codebook = conv.codebook.numbers()
    place = np.zeros(bits.KERNELS, np.uint16)
    place[codebook] = np.arange(len(codebook))
    thresholds, flips = fold(norm.module, scales, conv.c_in)
    layer = Conv(
        first.path,
        *first.fed[2:],
        conv.tau,
        "max2" if pooled else "none",
        codebook,
        place[numbers],
        thresholds,
        flips,
        stride=conv.stride,
    )
    return layer, 3 + pooled


def _check_pool(step: Step) -> None:
    def both(value) -> tuple[int, ...]:
        return value if isinstance(value, tuple) else (value, value)

    pool = step.module
    plain = (both(pool.padding), both(pool.dilation)) == ((0, 0), (1, 1)) and not pool.ceil_mode
    if (both(pool.kernel_size), both(pool.stride)) != ((2, 2), (2, 2)) or not plain:
        raise UserError(f"{step.path}: only MaxPool2d(2), stride 2 and unpadded, can be exported")


def _head(step: Step) -> FormatHead:
    head: Head = step.module
    _, channels, height, width = step.fed
    with torch.no_grad():
        weight, bias, _ = head.quantised(height * width)
    limit = np.iinfo(np.int32).max
    if float(bias.abs().max()) > limit:
        raise UserError(f"{step.path}: a bias does not fit into 32 bits beside its 8-bit weights")
    return FormatHead(
        step.path,
        channels,
        height,
        width,
        weight.cpu().numpy().astype(np.int8),
        bias.cpu().numpy().astype(np.int32),
    )
