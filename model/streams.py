"""The fixed-point stream of residual networks, in floats. Needs torch.

A stream is what a convolution's batch norm puts out, with a shortcut added to it. The accelerator
holds it as whole numbers y of some bits, and a float v here is ``y / 2^fraction``. Both are decided
by data (`model.calibrate`); until then a `Stream` adds and bends only, and from then on it rounds
and saturates as `model.fixed_point` does, with the gradient passed through, so that training sees
what the export will do. That takes the convolution and the norm before it (`model.link` finds
them): once the norm is fixed, its factors are the export's whole numbers, too, and the stream is
exact. Deep binary networks need that: one sign that differs can change thousands behind it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.fold import affine, multipliers
from model.layers import sign

__all__ = ["Fed", "Keep", "RoundMean", "ShiftedPReLU", "ShiftedSign", "Stream"]

SLOPE_STEPS = 64  # a slope is a whole number of 64ths, from -128 to 127
INT16 = (-(1 << 15), (1 << 15) - 1)
HALVES = (torch.bfloat16, torch.float16)


class _Through(torch.autograd.Function):
    """Another value for x, with x's gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, value: Tensor) -> Tensor:
        return value

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def _replaced(x: Tensor, value: Tensor) -> Tensor:
    return _Through.apply(x, value.detach())


class ShiftedSign(nn.Module):
    """sign(x - shift) with a learnt shift of each channel (ReActNet's RSign)."""

    def __init__(self, channels: int):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return sign(x - self.shift[:, None, None])


class ShiftedPReLU(nn.Module):
    """Shifted PReLU (ReActNet's RPReLU): add ``before``, multiply what is negative by ``slope``,
    add ``after``; learnt, [channels]. Part of a `Stream`, which gives it the grid."""

    def __init__(self, channels: int):
        super().__init__()
        self.before = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), 0.25))
        self.after = nn.Parameter(torch.zeros(channels))

    def slopes(self) -> Tensor:
        """The slopes in 64ths, whole numbers, [channels]."""
        steps = self.slope * SLOPE_STEPS
        return _replaced(steps, steps.round().clamp(-128, 127))

    @staticmethod
    def on_grid(shift: Tensor, size: float) -> Tensor:
        """Shifts as whole numbers of a grid with ``size`` steps to 1."""
        steps = shift * size
        return _replaced(steps, steps.round().clamp(*INT16))

    def forward(self, x: Tensor, size: float | None) -> Tensor:
        """``size`` steps of the grid lie between 0 and 1; None where there is no grid yet."""
        before, after = self.before, self.after
        if size is not None:
            before, after = (self.on_grid(shift, size) / size for shift in (before, after))
        moved = x + before[:, None, None]
        bent = moved * (self.slopes() / SLOPE_STEPS)[:, None, None]
        if size is not None:
            bent = _replaced(bent, torch.floor(bent * size) / size)
        return torch.where(moved < 0, bent, moved) + after[:, None, None]


@dataclass(eq=False)
class Fed:
    """What feeds a stream: convolution and norm (or None), the path that errors name, and, while a
    network runs, the convolution's last output."""

    conv: nn.Module
    norm: nn.BatchNorm2d | None
    path: str
    output: Tensor | None = None

    @torch.no_grad()
    def steps(self, fraction: int) -> Tensor | None:
        """What the export makes of the sums, in whole steps, [N, c, h, w]; None while the norm
        still takes the statistics of batches. Exact: whole numbers in float64."""
        output, self.output = self.output, None
        if output is None or (self.norm is not None and self.norm.training):
            return None
        scales = self.conv.scales().detach()
        slope, offset = affine(self.norm, scales.cpu().numpy())
        gains, offsets, shift = multipliers(slope, offset, fraction, self.path)
        m, b = (
            torch.from_numpy(n).to(output.device, torch.float64)[:, None, None]
            for n in (gains, offsets)
        )
        factors = scales.double()[:, None, None]
        sums = torch.where(factors > 0, (output.double() / factors).round(), 0.0)
        return torch.floor((sums * m + b) / 2.0**shift)


class Keep:
    """A forward hook of a convolution that leaves its output with the stream it feeds."""

    def __init__(self, fed: Fed):
        self.fed = fed

    def __call__(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self.fed.output = output.detach()


class RoundMean:
    """A forward hook of an average pooling that rounds means to the grid of the stream they are of,
    a half upwards, as the export does."""

    def __init__(self, stream: "Stream"):
        self.stream = stream

    def __call__(self, module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        if not self.stream.bits:
            return output
        size = 2.0**self.stream.fraction
        return _replaced(output, torch.floor(output * size + 0.5) / size)


class Stream(nn.Module):
    """What a layer puts out for residual additions: ``stream(norm(sums), residual)``.

    Adds the residual, another stream of the same shape, where one is given, and bends by a
    `ShiftedPReLU` with ``prelu`` (which needs ``channels``). Pooling comes after it. ``bits`` and
    ``fraction`` are 0 until `model.calibrate` sets them; they are in the state dict.
    """

    def __init__(self, channels: int | None = None, prelu: bool = False):
        super().__init__()
        self.prelu = ShiftedPReLU(channels) if prelu else None
        self.register_buffer("grid", torch.zeros(2, dtype=torch.int64))
        self.fed: Fed | None = None

    @property
    def bits(self) -> int:
        """Bits of the whole numbers; 0 before calibration."""
        return self._grid()[0]

    @property
    def fraction(self) -> int:
        """Binary logarithm of the steps between 0 and 1."""
        return self._grid()[1]

    def _grid(self) -> tuple[int, int]:
        return tuple(self.grid.tolist())

    def set_grid(self, bits: int, fraction: int) -> None:
        """From now on numbers are multiples of 2^-fraction of ``bits`` bits; 0 bits: no grid."""
        self.grid.copy_(torch.tensor([bits, fraction]))

    def _held(self, x: Tensor, bits: int, size: float) -> Tensor:
        """Held to the range; the gradient ends where the range does."""
        edge = 1 << (bits - 1)
        return x.clamp(-edge / size, (edge - 1) / size)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        bits, fraction = self._grid()
        if x.dtype in HALVES:
            x = x.float()  # under autocast: 8 bits of a number are too few for a stream
        y = x if residual is None else x + residual
        if not bits:
            if self.fed is not None:
                self.fed.output = None
            return y if self.prelu is None else self.prelu(y, None)
        size = 2.0**fraction
        steps = None if self.fed is None else self.fed.steps(fraction)
        steps = torch.floor(x * size + 0.5) if steps is None else steps.to(x.dtype)
        whole = steps / size if residual is None else steps / size + residual
        y = self._held(_replaced(y, whole), bits, size)
        return y if self.prelu is None else self._held(self.prelu(y, size), bits, size)

    def extra_repr(self) -> str:
        bits, fraction = self._grid()
        return f"bits={bits}, fraction={fraction}" if bits else "no grid yet"
