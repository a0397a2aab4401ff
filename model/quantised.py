"""Layers with numbers of several bits: 1x1 and pixel convolutions, activations. Needs torch.

A number of k bits is odd, -(2^k - 1) to 2^k - 1 (`model.network`), and the float tensors between
layers hold just these numbers. What a convolution puts out is its whole sums, exact in float32,
times the factor of each output channel that `scales` tells; the export folds that factor.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.errors import UserError
from model.layers import INT8_MAX, rounded

__all__ = ["Binary", "PixelConv2d", "PointConv2d", "Quantise"]

MAX_BITS = 8
PIXEL_MAX = 255


class _Odd(torch.autograd.Function):
    """The nearest odd number within ``+-top``, upwards between two; straight-through inside."""

    @staticmethod
    def forward(ctx, x: Tensor, top: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.top = top
        return (2 * torch.floor(x / 2) + 1).clamp_(-top, top)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= ctx.top + 1), None


def _top(bits: int, what: str) -> int:
    if not 1 <= bits <= MAX_BITS:
        raise UserError(f"{what} of {bits} bits: must be 1 to {MAX_BITS}")
    return (1 << bits) - 1


class Binary(nn.Module):
    """Pixels p of 0 to 255 as odd numbers 2 p - 255 of 8 bits, [N, colours, H, W]."""

    bits = 8

    def forward(self, images: Tensor) -> Tensor:
        return 2.0 * images.to(torch.get_default_dtype()) - PIXEL_MAX


class Quantise(nn.Module):
    """Activation of ``bits`` bits: a real number x becomes the odd number 2 floor(x / d) + 1, held
    to its range. ``log2_step`` is the binary logarithm of d; by default levels reach over -2..2.

    One bit is the sign. Must come after a `model.streams.Stream`, on whose grid d lies.
    """

    def __init__(self, bits: int, log2_step: int | None = None):
        super().__init__()
        self.bits, self.top = bits, _top(bits, "activations")
        self.log2_step = 2 - bits if log2_step is None else log2_step

    def forward(self, x: Tensor) -> Tensor:
        return _Odd.apply(x * 2.0 ** (1 - self.log2_step), self.top)

    def extra_repr(self) -> str:
        return f"bits={self.bits}, log2_step={self.log2_step}"


class PointConv2d(nn.Module):
    """1x1 convolution with weights that are odd numbers of ``weight_bits`` bits.

    A latent weight w counts as the odd number next to w / s times s: s is the mean |w| at one
    bit (so that this is a binary convolution), else the largest |w| over 2^weight_bits - 1; s has
    no gradient. With ``flatten`` every pixel of the map is a channel of its own, ``c_in`` in all,
    and the output has one pixel: a dense layer.
    """

    def __init__(
        self, c_in: int, c_out: int, weight_bits: int = 1, stride: int = 1, flatten: bool = False
    ):
        super().__init__()
        self.c_in, self.c_out, self.stride, self.flatten = c_in, c_out, stride, flatten
        self.weight_bits, self.top = weight_bits, _top(weight_bits, "weights")
        bound = c_in**-0.5
        self.weight = nn.Parameter(torch.empty(c_out, c_in).uniform_(-bound, bound))

    def _step(self) -> Tensor:
        sizes = self.weight.detach().abs()
        return (sizes.mean() if self.weight_bits == 1 else sizes.max() / self.top).clamp(min=1e-8)

    def numbers(self) -> Tensor:
        """The weights as odd numbers, [c_out, c_in]."""
        return _Odd.apply(self.weight / self._step(), self.top)

    def scales(self) -> Tensor:
        """The factor of each output channel, [c_out]."""
        return self._step().expand(self.c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)[:, :, None, None] if self.flatten else x
        sums = functional.conv2d(x, self.numbers()[:, :, None, None], stride=self.stride)
        return sums * self._step()

    def extra_repr(self) -> str:
        flatten = ", flatten" if self.flatten else ""
        return (
            f"{self.c_in}, {self.c_out}, weight_bits={self.weight_bits}, stride={self.stride}"
            + flatten
        )


class PixelConv2d(nn.Module):
    """The first convolution of a published network: 8-bit weights on pixels of 0 to 255.

    A pixel p counts as 2 p - 255, a tap outside the image as 0; weights are int8 numbers times the
    largest |w| / 127. The output is the whole sums times that and 1 / 255, so that pixels count
    as numbers from -1 to 1. ``kernel`` is odd.
    """

    def __init__(self, colours: int, c_out: int, kernel: int = 3, stride: int = 1):
        super().__init__()
        if kernel % 2 == 0:
            raise UserError(f"a pixel convolution with a kernel of {kernel} has no middle")
        self.c_out, self.kernel, self.stride = c_out, kernel, stride
        bound = (colours * kernel * kernel) ** -0.5
        weight = torch.empty(c_out, colours, kernel, kernel).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)

    def _step(self) -> Tensor:
        return (self.weight.detach().abs().max() / INT8_MAX).clamp(min=1e-8)

    def numbers(self) -> Tensor:
        """The weights as whole numbers from -127 to 127, [c_out, colours, kernel, kernel]."""
        return rounded(self.weight / self._step()).clamp(-INT8_MAX, INT8_MAX)

    def scales(self) -> Tensor:
        """The factor of each output channel, [c_out]."""
        return (self._step() / PIXEL_MAX).expand(self.c_out)

    def forward(self, images: Tensor) -> Tensor:
        x = 2.0 * images.to(torch.get_default_dtype()) - PIXEL_MAX
        sums = functional.conv2d(
            x, self.numbers(), stride=self.stride, padding=self.kernel // 2
        )
        return sums * (self._step() / PIXEL_MAX)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.c_out}, {self.kernel}, stride={self.stride}"
