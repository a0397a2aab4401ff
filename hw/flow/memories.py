"""What each memory of a design holds, and how full the cells are that it was mapped to.

What a network is made of are its **weights** (indices, codebooks, numbers of streams, the head's
weights and offsets), **thresholds** and **activations** (maps, streams and the input). All else is
**working** memory: partial sums, pooled words, counts, tables and what the link has.

Held are the bits that belong to something. Of words that are only partly used this is less than
they have: `program_contents` knows the real ones of the index and head memories. Padding is the
rest of the cells: empty rows, unused columns, and what a word has too much.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hw.engine_program import Program
from hw.heads.counted_plan import WEIGHT_BITS
from hw.work import work_of

__all__ = ["KINDS", "MemoryUse", "block_fill", "fill_by_kind", "memory_uses", "program_contents"]

# Kinds of what a network is made of, by the ends of memories' names; numbers are `*`.
KINDS = {
    "weights": ("indices", "codebooks", "weights", "offsets", "stream_words", "stem_words"),
    "thresholds": ("threshold_words",),
    "activations": ("bank*", "streams.memory.streams", "streams.inputs", "features.memory"),
}
NETWORK, WORKING, ALL = "network", "working", "all"

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
    cells it became logic. ``contents``: bits of all words that are something, where known.
    """

    name: str
    count: int
    words: int
    width: int
    cells: Counter = field(default_factory=Counter)
    contents: int | None = None

    @property
    def bits(self) -> int:
        """Bits that are held: ``contents``, where it is known, else all of the words'."""
        return self.count * self.words * self.width if self.contents is None else self.contents

    @property
    def kind(self) -> str:
        """One of `KINDS`, or "working"."""
        # Amaranth numbers a module that has a signal's name.
        path = "." + self.name.replace("$*", "")
        for kind, ends in KINDS.items():
            if path.endswith(tuple(f".{end}" for end in ends)):
                return kind
        return WORKING

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
            "kind": self.kind,
            "count": self.count,
            "words": self.words,
            "width": self.width,
            "bits": self.bits,
            "cells": dict(sorted(self.cells.items())),
            "capacity": self.capacity,
            "padding": max(self.capacity - self.bits, 0),
            "fill": round(self.bits / self.capacity, 4) if self.capacity else None,
        }


def program_contents(program: Program) -> dict[str, int]:
    """Bits of memories whose words are not all in use, by the last part of their names.

    Index words have lanes without a channel where a layer's channels do not divide by C, and the
    head's words may have places without a class.
    """
    layers = (work_of(conv, program.parameters) for conv in program.network.convs)
    return {
        "indices": program.parameters.tau * sum(work.indices.size for work in layers),
        "weights": WEIGHT_BITS * program.network.head.weight.size,
    }


def memory_uses(
    rtlil: Iterable[str], cells: Mapping[str, Mapping], contents: Mapping[str, int] | None = None
) -> list[MemoryUse]:
    """The memories of a design, the largest first.

    Parameters
    ----------
    rtlil : lines of the design before synthesis, which name its memories.
    cells : cells of the flattened netlist; a memory's are named by its path and two numbers.
    contents : `program_contents`.
    """
    contents = contents or {}
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
            held = contents.get(name.rpartition(".")[2])
            use = uses.setdefault(
                (name, words, width), MemoryUse(name, 0, words, width, contents=held)
            )
            use.count += 1
            members[path] = use
    for name, cell in cells.items():
        match = re.match(r"(.*)\.\d+\.\d+$", name)
        if match and cell["type"] in _BITS and match[1] in members:
            members[match[1]].cells[cell["type"]] += 1
    return sorted(uses.values(), key=lambda use: -use.bits)


def block_fill(uses: Iterable[MemoryUse]) -> float | None:
    """The share of all block RAM bits taken that hold something; None without block RAM."""
    return fill_by_kind(uses)[ALL]["fill"]


def fill_by_kind(uses: Iterable[MemoryUse]) -> dict[str, dict[str, float | None]]:
    """Bits held and bits taken of block RAM, and the share (None without block RAM).

    For each of `KINDS`, for all three ("network"), for working memory ("working") and "all".
    """
    blocks = [use for use in uses if use.in_blocks]

    def row(kinds: Iterable[str]) -> dict[str, float | None]:
        members = [use for use in blocks if use.kind in kinds]
        held, taken = (sum(getattr(u, name) for u in members) for name in ("bits", "capacity"))
        return {"bits": held, "capacity": taken, "fill": round(held / taken, 4) if taken else None}

    rows = {kind: row([kind]) for kind in KINDS}
    return rows | {NETWORK: row(KINDS), WORKING: row([WORKING]), ALL: row([*KINDS, WORKING])}
