"""The units of a traced network, which become the layers of the file. Needs torch.

A unit is a convolution and what belongs to it, in the order in which the accelerator works::

    conv, [pool], norm, sign                              planes from thresholds on the sums
    conv, [norm], Stream(., [residual]), [pool], [sign]   a stream, and planes from it
    pool, [sign]                                          a stream that others read as it is
"""

from dataclasses import dataclass, field

from torch import Tensor, nn

from model.errors import UserError
from model.watch import Call

__all__ = ["Graph", "Unit", "pool_kind"]


@dataclass(eq=False)
class Unit:
    """A convolution's call, and the calls and units that belong to it. ``source`` and
    ``residual`` are units; None as a source is the input. ``made`` is the number of the call that
    completes it: the order in which units can run. ``readers`` are the paths of what reads its
    stream or planes, and whether they are pooled.

    A maximum may come behind the planes (``pooled_planes``), and is one of the stream all the same.
    Of a stream that others read before it is pooled, the pooling is a unit of its own: ``conv`` is
    the pool's call, ``residual`` the unit whose ``stream`` it is."""

    conv: Call
    source: "Unit | None"
    pool: Call | None = None
    pooled_stream: bool = False
    pooled_planes: bool = False
    norm: Call | None = None
    stream: Call | None = None
    residual: "Unit | None" = None
    activation: Call | None = None
    made: int = -1
    readers: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.conv.path

    @property
    def numbers(self) -> Tensor:
        """The stream that it puts out: as the network ran, or would have with the pool first."""
        if self.pooled_planes:
            return self.pool.module(self.residual.numbers if self.pooling else self.stream.output)
        return self.pool.output if self.pooled_stream else self.stream.output

    @property
    def levels(self) -> Tensor:
        """Its planes' numbers, as the network ran."""
        return (self.pool if self.pooled_planes else self.activation).output

    @property
    def pooling(self) -> bool:
        """Whether it is a pool and nothing else."""
        return self.conv is self.pool


@dataclass(frozen=True, eq=False)
class Graph:
    """A traced network: the call of its input layer (None for a stem), its stem, its units in
    order, its head, and the unit and kind ("planes" or "stream") that the head reads."""

    entry: Call | None
    stem: Unit | None
    units: tuple[Unit, ...]
    head: Call
    on: str


def pool_kind(call: Call) -> str:
    """ "max2", "avg2" or "max3"; UserError for a pooling that the format does not have."""
    pool = call.module

    def both(value) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, tuple | list) else (value, value)

    sizes = both(pool.kernel_size), both(pool.stride), both(pool.padding)
    plain = not pool.ceil_mode and both(getattr(pool, "dilation", 1)) == (1, 1)
    if isinstance(pool, nn.AvgPool2d):
        plain = plain and pool.divisor_override is None
    kind = "max" if isinstance(pool, nn.MaxPool2d) else "avg"
    if plain and sizes == ((2, 2), (2, 2), (0, 0)):
        return f"{kind}2"
    if plain and kind == "max" and sizes == ((3, 3), (2, 2), (1, 1)):
        return "max3"
    raise UserError(
        f"{call.path}: only MaxPool2d(2) and AvgPool2d(2), and MaxPool2d(3, 2, 1) behind a "
        "PixelConv2d, can be exported"
    )
