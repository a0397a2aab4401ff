"""What each memory of a design holds, and how full the cells are that it was mapped to."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["MemoryUse", "block_fill", "memory_uses"]

_GOWIN_BLOCKS = ("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9")
# Data bits of a memory cell.
_BITS = {
    "RAMB36E1": 36_864,
    "RAMB18E1": 18_432,
    "RAM32M": 192,
    "RAM64M": 192,
    "DP16KD": 18_432,
    "PDPW16KD": 18_432,
    "TRELLIS_DPR16X4": 64,
    "SB_RAM40_4K": 4_096,
    **dict.fromkeys(_GOWIN_BLOCKS, 18_432),
    "RAM16SDP4": 64,
    "CC_BRAM_20K": 20_480,
    "CC_BRAM_40K": 40_960,
}
_BLOCKS = (
    "RAMB36E1", "RAMB18E1", "DP16KD", "PDPW16KD", "SB_RAM40_4K", "CC_BRAM_20K", "CC_BRAM_40K",
    *_GOWIN_BLOCKS,
)  # fmt: skip


@dataclass
class MemoryUse:
    """One memory, or several alike (``count``) that differ by a number in their name.

    ``words`` and ``width`` are those of each, ``cells`` of all: cell types and how many. Without
    cells it became logic.
    """

    name: str
    count: int
    words: int
    width: int
    cells: Counter = field(default_factory=Counter)

    @property
    def bits(self) -> int:
        """Bits that are held."""
        return self.count * self.words * self.width

    @property
    def capacity(self) -> int:
        """Bits that the cells could hold."""
        return sum(_BITS[kind] * number for kind, number in self.cells.items())

    @property
    def in_blocks(self) -> bool:
        """Whether it lies in block RAM."""
        return any(kind in _BLOCKS for kind in self.cells)

    def plain(self) -> dict[str, object]:
        """For the report: the facts, and the share of the cells' bits that is held."""
        return {
            "name": self.name,
            "count": self.count,
            "words": self.words,
            "width": self.width,
            "bits": self.bits,
            "cells": dict(sorted(self.cells.items())),
            "capacity": self.capacity,
            "fill": round(self.bits / self.capacity, 4) if self.capacity else None,
        }


def memory_uses(rtlil: Iterable[str], cells: Mapping[str, Mapping]) -> list[MemoryUse]:
    """The memories of a design, the largest first.

    Parameters
    ----------
    rtlil : lines of the design before synthesis, which name its memories.
    cells : cells of the flattened netlist; a memory's are named by its path and two numbers.
    """
    uses: dict[tuple[str, int, int], MemoryUse] = {}
    members: dict[str, MemoryUse] = {}
    module = ""
    for line in rtlil:
        if match := re.match(r"module \\[\w$]+\.?(\S*)", line):
            module = match[1]
        elif match := re.match(r"\s*memory width (\d+) size (\d+) \\(\S+)", line):
            width, words = int(match[1]), int(match[2])
            path = f"{module}.{match[3]}".lstrip(".")
            name = re.sub(r"\d+(?=\.|$)", "*", path)
            use = uses.setdefault((name, words, width), MemoryUse(name, 0, words, width))
            use.count += 1
            members[path] = use
    for name, cell in cells.items():
        match = re.match(r"(.*)\.\d+\.\d+$", name)
        if match and cell["type"] in _BITS and match[1] in members:
            members[match[1]].cells[cell["type"]] += 1
    return sorted(uses.values(), key=lambda use: -use.bits)


def block_fill(uses: Iterable[MemoryUse]) -> float | None:
    """The share of all block RAM bits taken that hold something; None without block RAM."""
    blocks = [use for use in uses if use.in_blocks]
    capacity = sum(use.capacity for use in blocks)
    return round(sum(use.bits for use in blocks) / capacity, 4) if capacity else None
