"""Layers of a sub-bit network. Between them travel float tensors of exactly -1 and +1.

Every convolution's output and the head's sums are integers, exact in float32, so that what is
exported computes the same. `model.export` knows these layers, those of `model.quantised` and
`model.streams`, and torch's own BatchNorm2d, MaxPool2d, AvgPool2d and Sequential. Needs torch.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from model import bits
from model.errors import UserError
from model.learnt import Codebook

__all__ = ["Head", "Sign", "SubBitConv2d", "Thermometer", "even_levels", "rounded", "sign"]

INT8_MAX = 127
OUTSIDE = {"zero": 0, "plus": 1, "minus": -1}


def even_levels(levels: int, colours: int = 1) -> np.ndarray:
    """Thermometer thresholds, uint8 [colours, levels], evenly over 8-bit pixels."""
    one = (2 * np.arange(levels) + 1) * 128 // levels
    return np.broadcast_to(one.astype(np.uint8), (colours, levels)).copy()


class _Sign(torch.autograd.Function):
    """sign with sign(0) = +1; backwards the slope 2 - 2|x| inside (-1, 1), as in Bi-Real Net."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (2 - 2 * x.abs()).clamp_(min=0)


class _ClippedSign(torch.autograd.Function):
    """sign of a weight; straight-through where |w| <= 1."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= 1)


class _Round(torch.autograd.Function):
    """Nearest integer; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


def rounded(x: Tensor) -> Tensor:
    """The nearest whole numbers, with the gradient passed through."""
    return _Round.apply(x)


def sign(x: Tensor) -> Tensor:
    """-1 or +1 for each element, sign(0) = +1, with a gradient for training."""
    return _Sign.apply(x)


class Sign(nn.Module):
    """Binary activation; see `sign`."""

    def forward(self, x: Tensor) -> Tensor:
        return sign(x)


class Thermometer(nn.Module):
    """Pixels [N, colours, H, W] (uint8 values) to planes of -1 and +1 [N, colours * levels, H, W].

    Plane ``colour * levels + level`` is +1 where the pixel is >= ``thresholds[colour, level]``.
    """

    def __init__(self, thresholds: np.ndarray):
        super().__init__()
        self.register_buffer("thresholds", torch.from_numpy(np.asarray(thresholds, np.uint8)))

    def forward(self, images: Tensor) -> Tensor:
        lit = images[:, :, None] >= self.thresholds[None, :, :, None, None].to(images.dtype)
        planes = torch.where(lit.flatten(1, 2), 1.0, -1.0)
        # The layers keep this order of memory; on a CPU it takes a third off a training step.
        return planes.contiguous(memory_format=torch.channels_last)


class SubBitConv2d(nn.Module):
    """3x3 convolution whose kernels come from a codebook of 2^tau.

    Without a codebook (tau 9) every one of the 512 kernels is allowed: the plain binary layer.
    Input and kernels are -1 and +1, so the output [N, c_out, H, W] is whole numbers; with
    ``scaled`` it is multiplied by the mean |w| of its output channel (without gradient), as the
    published method does. Batch norm undoes that factor, and the export folds it.

    ``weight`` [c_out, c_in, 3, 3] are the latent weights. ``rng`` draws the codebook. ``padding``
    says what lies around the map: "zero", or the largest ("plus") or smallest ("minus") of the
    odd numbers of ``in_bits`` bits that the input consists of.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        tau: int = bits.TAPS,
        codebook: str = "antipodal",
        scaled: bool = False,
        rng: np.random.Generator | None = None,
        stride: int = 1,
        padding: str = "zero",
        in_bits: int = 1,
    ):
        super().__init__()
        if padding not in OUTSIDE:
            raise UserError(f"padding {padding!r} is not one of {', '.join(OUTSIDE)}")
        self.stride, self.padding, self.in_bits = stride, padding, in_bits
        self.c_in, self.c_out, self.tau, self.scaled = c_in, c_out, tau, scaled
        self.weight = nn.Parameter(torch.empty(c_out, c_in, 3, 3).uniform_(-0.1, 0.1))
        rng = rng or np.random.default_rng(int(torch.randint(1 << 31, ())))
        self.codebook = Codebook(tau, codebook, rng) if tau < bits.TAPS else None
        # In a first stage of training (`model.training.stages`) "binary" or "float".
        self.stage = "codebook"

    def kernels(self) -> Tensor:
        """The binary kernels, -1 and +1, [c_out, c_in, 3, 3]; float ones in a first stage."""
        if self.codebook is not None and self.stage != "codebook":
            self.codebook.watch(self.weight.reshape(-1, bits.TAPS))
        if self.stage == "float":
            return self.weight
        if self.codebook is None or self.stage == "binary":
            return _ClippedSign.apply(self.weight)
        flat = self.codebook(self.weight.reshape(-1, bits.TAPS))
        return flat.view_as(self.weight)

    def scales(self) -> Tensor:
        """The factor of each output channel, [c_out]."""
        if not self.scaled:
            return self.weight.new_ones(self.c_out)
        return self.weight.detach().abs().mean((1, 2, 3))

    def forward(self, x: Tensor) -> Tensor:
        inside = self.padding == "zero"
        if not inside:
            outside = OUTSIDE[self.padding] * (2**self.in_bits - 1)
            x = functional.pad(x, (1, 1, 1, 1), value=float(outside))
        sums = functional.conv2d(x, self.kernels(), stride=self.stride, padding=int(inside))
        return sums * self.scales()[:, None, None] if self.scaled else sums

    @torch.no_grad()
    def clip(self, limit: float = 1.0) -> None:
        """Hold the latent weights within +-limit: one outlier would decide its whole kernel."""
        self.weight.clamp_(-limit, limit)

    def extra_repr(self) -> str:
        kind = self.codebook.kind if self.codebook else "binary"
        stride = f", stride={self.stride}" if self.stride > 1 else ""
        padding = f", padding={self.padding}" if self.padding != "zero" else ""
        return f"{self.c_in}, {self.c_out}, tau={self.tau}, {kind}{stride}{padding}"


class Head(nn.Module):
    """Sum over the map, then a dense layer of int8 weights and an int32 bias.

    The float scores [N, classes] are the integer scores times one positive factor, so both order
    the classes alike. Training sees the rounding, with a straight-through gradient. With
    ``flatten`` nothing is summed up: ``channels`` is then channels * height * width of the map.
    """

    def __init__(self, channels: int, classes: int, flatten: bool = False):
        super().__init__()
        self.flatten = flatten
        bound = channels**-0.5
        self.weight = nn.Parameter(torch.empty(classes, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(classes))

    def quantised(self, area: int) -> tuple[Tensor, Tensor, Tensor]:
        """Integer weight and bias (as floats) for maps of ``area`` positions, and the factor."""
        largest = self.weight.detach().abs().max().clamp(min=1e-8)
        step = largest / INT8_MAX
        weight = rounded(self.weight / step).clamp(-INT8_MAX, INT8_MAX)
        # Sums of ``area`` signs spread by its root: so scaled, scores begin at the same size
        # whatever the map, and learn faster than from means.
        spread = area**0.5
        return weight, rounded(self.bias * (spread / step)), step / spread

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, factor = self.quantised(1 if self.flatten else x.shape[2] * x.shape[3])
        sums = x.flatten(1) if self.flatten else x.sum((2, 3))
        # Scores in half a float's bits would blur the loss.
        with torch.autocast(x.device.type, enabled=False):
            return functional.linear(sums.to(weight.dtype), weight, bias) * factor
