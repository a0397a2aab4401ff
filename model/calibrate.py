"""Chooses bits and scale of the fixed-point streams from data. Needs torch.

Streams that residual additions join share one scale, so they are one group. A group's grid is fine
enough that the standard deviation of the finest of its terms has `STEPS` steps, and wide enough
for the largest number met on the images, times a head room; where both do not fit into 16 bits,
the range comes first.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from model.errors import UserError
from model.link import link
from model.rules import MAX_STREAM_BITS
from model.streams import Stream

__all__ = ["Grid", "calibrate", "calibrated", "streams_of"]

STEPS = 256
BATCH = 250
# Where a share of the numbers is to be left out, they are counted in this many classes of size.
CLASSES = 4096
SIZES = 64.0  # the classes reach from the largest number down to 2^-SIZES of it


@dataclass(frozen=True)
class Grid:
    """What was chosen for a group of streams.

    ``paths`` of its modules, ``bits`` and ``fraction`` of the grid, ``largest`` number met before
    saturation, and ``saturated``, the share of the numbers met that the grid cannot hold.
    """

    paths: tuple[str, ...]
    bits: int
    fraction: int
    largest: float
    saturated: float


@dataclass
class _Seen:
    """What was met at one stream: values as histogram of sizes, and the finest deviation."""

    path: str
    finest: float = math.inf
    largest: float = 0.0
    sizes: list[Tensor] = field(default_factory=list)

    def add(self, x: Tensor, y: Tensor) -> None:
        """``x`` is what the batch norm puts out, ``y`` the stream."""
        self.finest = min(self.finest, float(x.std()))
        sizes = y.abs().flatten()
        self.largest = max(self.largest, float(sizes.max()))
        logs = torch.log2(sizes.clamp(min=2.0**-SIZES)).clamp(-SIZES, SIZES)
        self.sizes.append(torch.histc(logs.float(), CLASSES, -SIZES, SIZES).cpu())

    def above(self, limit: float) -> float:
        """How many numbers are larger than ``limit``, to one class of size."""
        counts = torch.stack(self.sizes).sum(0)
        place = (math.log2(limit) + SIZES) / (2 * SIZES) * CLASSES
        return float(counts[min(math.ceil(place), CLASSES) :].sum())

    def count(self) -> float:
        return float(torch.stack(self.sizes).sum())


def streams_of(net: nn.Module) -> dict[str, Stream]:
    """The streams of a network by module path."""
    return {path: m for path, m in net.named_modules() if isinstance(m, Stream)}


def calibrated(net: nn.Module) -> bool:
    """Whether every stream of the network has its grid; true where there is none."""
    return all(stream.bits for stream in streams_of(net).values())


@torch.no_grad()
def calibrate(
    net: nn.Module,
    images: Tensor,
    *,
    bits: int | None = None,
    steps: int = STEPS,
    leave: float = 0.0,
    room: float = 1.0,
) -> list[Grid]:
    """Set the grid of every `Stream` of ``net`` from uint8 ``images`` [N, colours, H, W].

    ``bits`` fixes the bits of every group, else they follow from ``steps`` steps a standard
    deviation. ``leave`` is the share of the largest numbers that may saturate; ``room`` widens the
    range, for training that goes on. Returns the grids, in the order in which they first run.
    Raises UserError, naming the module, for a network that cannot be exported.
    """
    if bits is not None and not 2 <= bits <= MAX_STREAM_BITS:
        raise UserError(f"streams of {bits} bits: must be 2 to {MAX_STREAM_BITS}")
    link(net, tuple(images.shape[1:]))
    streams = streams_of(net)
    for stream in streams.values():
        stream.set_grid(0, 0)
    groups = _watch(net, streams, images)
    grids = []
    for group in groups:
        largest = max(seen.largest for seen in group)
        wanted = _limit(group, largest, leave) * room
        fraction = _fraction(group, wanted, bits, steps)
        needed = math.floor(wanted * 2.0**fraction + 0.5)
        chosen = bits or max(needed.bit_length() + 1, 2)
        edge = ((1 << (chosen - 1)) - 1) / 2.0**fraction
        beyond = sum(seen.above(edge) for seen in group) if largest > edge else 0.0
        share = beyond / sum(seen.count() for seen in group)
        grids.append(Grid(tuple(s.path for s in group), chosen, fraction, largest, share))
        for seen in group:
            streams[seen.path].set_grid(chosen, fraction)
    return grids


def _limit(group: list[_Seen], largest: float, leave: float) -> float:
    """The number that all but the share ``leave`` of a group's numbers stay below."""
    if not leave or not largest:
        return max(largest, 2.0**-16)
    total = sum(seen.count() for seen in group)
    low, high = -SIZES, math.log2(largest)
    for _ in range(30):
        middle = (low + high) / 2
        within = sum(seen.above(2.0**middle) for seen in group) <= leave * total
        low, high = (low, middle) if within else (middle, high)
    return 2.0**high


def _fraction(group: list[_Seen], wanted: float, bits: int | None, steps: int) -> int:
    """Steps to 1, as binary logarithm."""
    most = (1 << ((bits or MAX_STREAM_BITS) - 1)) - 1
    widest = math.floor(math.log2((most + 0.25) / wanted))
    if bits is not None:
        return widest
    finest = min(seen.finest for seen in group)
    return min(widest, math.ceil(math.log2(steps / max(finest, 2.0**-16))))


def _watch(net: nn.Module, streams: dict[str, Stream], images: Tensor) -> list[list[_Seen]]:
    """Run the images and return what each group of joined streams met."""
    seen = {path: _Seen(path) for path in streams}
    parent = {path: path for path in streams}
    made: dict[int, str] = {}  # whose output a tensor is, or a pooled one of it
    alive: list[Tensor] = []
    order: list[str] = []
    hooks = []

    def root(path: str) -> str:
        while parent[path] != path:
            path = parent[path]
        return path

    def follow(_, inputs, output) -> None:
        if isinstance(output, Tensor) and id(inputs[0]) in made:
            made[id(output)] = made[id(inputs[0])]
            alive.append(output)

    def watch(path: str, stream: Stream) -> None:
        def record(_, inputs, kwargs, output) -> None:
            residual = inputs[1] if len(inputs) > 1 else kwargs.get("residual")
            if id(residual) in made:
                parent[root(path)] = root(made[id(residual)])
            plain = inputs[0] if residual is None else inputs[0] + residual
            seen[path].add(inputs[0], plain)
            if stream.prelu is not None:
                seen[path].add(inputs[0], plain + stream.prelu.before[:, None, None])
                seen[path].add(inputs[0], output)
            if path not in order:
                order.append(path)
            made[id(output)] = path
            alive.append(output)

        hooks.append(stream.register_forward_hook(record, with_kwargs=True))

    for path, module in net.named_modules():
        if path in streams:
            watch(path, streams[path])
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d | nn.Identity | nn.Dropout):
            hooks.append(module.register_forward_hook(follow))
    training = [module for module in net.modules() if module.training]
    try:
        net.eval()
        for batch in images.split(BATCH):
            net(batch)
            made.clear()
            alive.clear()
    finally:
        for module in training:
            module.training = True
        for hook in hooks:
            hook.remove()
    groups: dict[str, list[_Seen]] = {}
    for path in order:
        groups.setdefault(root(path), []).append(seen[path])
    return list(groups.values())
