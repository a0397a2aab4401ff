"""Batch norm over the global batch of several processes, on a CPU as on a GPU.

torch's own SyncBatchNorm runs on GPUs only, and is no `BatchNorm2d`, which the export knows. Sums
are taken in float64, where those of whole numbers are exact, so that neither the statistics nor
their gradients depend on how the batch was cut up. The rest is rounded as torch does on a CPU.
"""

import torch
from torch import Tensor, distributed, nn

__all__ = ["GlobalBatchNorm2d", "share_norms"]

EVERY = (0, 2, 3)


class _Normed(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, by the statistics of all processes.

    Also returns mean and variance (float64 [channels]) and the number of values of a channel.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float):
        wide = x.float() if x.dtype.itemsize < 4 else x
        squares = torch.linalg.vector_norm(wide, 2, EVERY, dtype=torch.float64).square()
        sums = torch.stack([wide.sum(EVERY, dtype=torch.float64), squares])
        distributed.all_reduce(sums)
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        mean, second = sums / count
        variance = (second - mean.square()).clamp(min=0)
        inverse = (variance + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.count = count
        slope = inverse.to(weight.dtype) * weight
        offset = bias - mean.to(weight.dtype) * slope
        y = wide * slope[:, None, None] + offset[:, None, None]
        ctx.mark_non_differentiable(mean, variance)
        return y.to(x.dtype), mean, variance, count

    @staticmethod
    def backward(ctx, gradient: Tensor, *_):
        x, weight, mean, inverse = ctx.saved_tensors
        wide = gradient.float() if gradient.dtype.itemsize < 4 else gradient
        centred = x.to(wide.dtype) - mean.to(wide.dtype)[:, None, None]
        dots = (centred * wide).sum(EVERY, dtype=torch.float64)
        sums = torch.stack([wide.sum(EVERY, dtype=torch.float64), dots])
        distributed.all_reduce(sums)
        total, dots = sums
        flat = (total / ctx.count).to(wide.dtype)[:, None, None]
        along = (dots * inverse.square() / ctx.count).to(wide.dtype)[:, None, None]
        slope = (inverse.to(weight.dtype) * weight)[:, None, None]
        moved = (wide - flat - centred * along) * slope
        # These are averaged over the processes afterwards: each returns the mean of all.
        world = distributed.get_world_size()
        weights = (dots * inverse / world).to(weight.dtype)
        return moved.to(x.dtype), weights, (total / world).to(weight.dtype), None


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d whose training statistics are those of the batches of all processes together.

    Every process must bring an equal number of images. In evaluation mode nothing differs.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y, mean, variance, count = _Normed.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.num_batches_tracked += 1
            unbiased = variance * (count / max(count - 1, 1))
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        return y


def share_norms(net: nn.Module) -> None:
    """Let every batch norm of ``net`` see the batches of all processes.

    The modules stay the same objects, as others hold on to them (`model.link`).
    """
    for module in net.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d
