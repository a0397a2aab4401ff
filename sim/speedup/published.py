"""The published element in closed form, from layer shapes alone, and what was published.

One dot9 unit serves a window: a binary engine applies ``c_out`` kernels to it one after the other.
The sub-bit element instead fills a table of ``entries`` responses, while ``lookups`` ports read
the table filled before it. At each position and input channel

    binary    c_out                            cycles
    sub-bit   max(entries, c_out / lookups)    cycles

With 32 entries and 4 look-ups this gives the published speed-ups of both networks to all digits
printed; nothing here comes from the engine.
"""

from collections.abc import Iterable

__all__ = [
    "PUBLISHED", "PUBLISHED_ENTRIES", "PUBLISHED_LOOKUPS", "SOURCE", "Shape", "closed_form",
    "published",
]  # fmt: skip

#: (network, bits a weight): speed-up over a binary network, of the element below.
PUBLISHED = {("resnet18", "0.56"): 3.13, ("resnet34", "0.56"): 3.33}
PUBLISHED_ENTRIES, PUBLISHED_LOOKUPS = 32, 4
SOURCE = (
    "Wang et al., Sub-bit Neural Networks, ICCV 2021 (arXiv 2110.09195), abstract: on an FPGA, "
    "board, clock and resources not found. The element drawn there has one dot9 unit, 32 "
    "entries and four look-ups"
)

#: Input channels, output channels, output positions of a layer.
Shape = tuple[int, int, int]


def closed_form(shapes: Iterable[Shape], entries: int, lookups: int) -> float:
    """Speed-up of an element over one that does a dot9 a cycle, all cycles being useful."""
    shapes = list(shapes)
    binary = sum(c_in * c_out * positions for c_in, c_out, positions in shapes)
    subbit = sum(
        c_in * max(entries, c_out / lookups) * positions for c_in, c_out, positions in shapes
    )
    return binary / subbit


def published(net: str, bits: str, entries: int, lookups: int) -> float | None:
    """The published speed-up of this very element, None where none is known."""
    if (entries, lookups) != (PUBLISHED_ENTRIES, PUBLISHED_LOOKUPS):
        return None
    return PUBLISHED.get((net, bits))
