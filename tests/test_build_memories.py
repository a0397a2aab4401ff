"""The table of memories: names, sizes and cells, against a design of known memories."""

import json
import random
from collections import Counter

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, Out

from hw.compiler import compile_network
from hw.flow.mapping import mapping
from hw.flow.memories import (
    MemoryUse,
    block_fill,
    fill_by_kind,
    memory_uses,
    program_contents,
)
from hw.flow.progress import Stage
from hw.flow.tools import YOSYS, run_tool
from hw.rom import rom
from sim.networks import published_network

SOURCE = r"""
module \top
  wire \clk
module \top.core.engine
  memory width 80 size 1000 \indices
  memory width 6 size 32 \table0
  memory width 6 size 32 \table11
  memory width 6 size 32 \word
module \top.core.engine.pool$3
  memory width 8 size 10 \memory
""".splitlines()


def cell(kind):
    return {"type": kind}


def test_cells_are_counted_with_their_memory():
    cells = {
        "core.engine.indices.0.0": cell("RAMB36E1"),
        "core.engine.indices.0.1": cell("RAMB36E1"),
        "core.engine.indices.1.0": cell("RAMB18E1"),
        "core.engine.table0.0.0": cell("RAM32M"),
        "core.engine.table11.0.0": cell("RAM32M"),
        "core.engine.other.0.0": cell("RAMB36E1"),
        "core.engine.indices.0.0.note": cell("LUT6"),
    }
    uses = {use.name: use.plain() for use in memory_uses(SOURCE, cells)}
    assert list(uses) == [
        "core.engine.indices", "core.engine.table*", "core.engine.word",
        "core.engine.pool$*.memory",
    ]  # fmt: skip
    assert uses["core.engine.indices"] == {
        "name": "core.engine.indices", "kind": "weights", "count": 1, "words": 1000, "width": 80,
        "bits": 80_000, "cells": {"RAMB18E1": 1, "RAMB36E1": 2}, "capacity": 92_160,
        "padding": 12_160, "fill": 0.8681,
    }  # fmt: skip
    tables = uses["core.engine.table*"]
    assert (tables["count"], tables["cells"], tables["fill"]) == (2, {"RAM32M": 2}, 1.0)
    # No cells: it became logic.
    assert uses["core.engine.word"]["fill"] is None
    assert block_fill(memory_uses(SOURCE, cells)) == 0.8681
    assert block_fill(memory_uses(SOURCE, {})) is None


def test_lanes_without_a_channel_are_padding():
    cells = {"core.engine.indices.0.0": cell("RAMB36E1")}
    indices, *_ = memory_uses(SOURCE, cells, {"indices": 30_000, "weights": 5})
    assert (indices.bits, indices.plain()["padding"]) == (30_000, 6_864)


def test_fill_is_told_by_kind():
    names = {
        "engine.sum_side.indices": "weights",
        "engine.head.weights": "weights",
        "engine.head.dense.offsets": "weights",
        "engine.sum_side.threshold_words": "thresholds",
        "engine.window_side.memory.bank*": "activations",
        "engine.word_side.streams.memory$*.streams": "activations",
        "engine.word_side.accumulator.memory": "working",
        "engine.pool$*.memory": "working",
        "engine.my_indices": "working",
    }
    uses = [MemoryUse(name, 1, 64, 72, Counter(RAMB36E1=1)) for name in names]
    assert [use.kind for use in uses] == list(names.values())
    logic = MemoryUse("indices", 1, 4, 4)
    rows = fill_by_kind([*uses, logic])
    each, block = 64 * 72, 36_864
    numbers = {"weights": 3, "thresholds": 1, "activations": 2}
    numbers |= {"network": 6, "working": 3, "all": 9}
    assert {name: row["bits"] // each for name, row in rows.items()} == numbers
    assert {name: row["capacity"] // block for name, row in rows.items()} == numbers
    assert rows["network"]["fill"] == rows["all"]["fill"] == 0.125
    assert fill_by_kind([logic])["weights"] == {"bits": 0, "capacity": 0, "fill": None}


@pytest.mark.parametrize("name", ["cnv", "resnet20", "vgg-small"])
def test_known_contents_are_what_memories_hold(name):
    """Against counting: no more than the words, and what the network's own formula says."""
    network = published_network(name, 5, 0)
    program = compile_network(network, pixels=32, channels=16)
    contents = program_contents(program)
    p, images = program.parameters, program.images
    assert contents["weights"] == 8 * network.head.weight.size
    if name == "cnv":
        assert contents["indices"] == network.stored_bits == 5 * sum(
            conv.c_in * conv.c_out for conv in network.convs
        )
    assert contents["indices"] <= p.channels * p.tau * len(images.indices)
    each = program.serial_head.parallel if program.serial_head else program.head_units
    assert contents["weights"] == 8 * each * len(images.head)


class TwoMemories(Component):
    data: Out(72)
    other: Out(8)

    def elaborate(self, platform):
        m = Module()
        rng = random.Random(1)
        words = tuple(rng.getrandbits(72) for _ in range(600))
        m.d.sync += self.data.eq(rom(m, "large", 72, words, self.data[:10]))
        m.submodules.small = small = Memory(shape=8, depth=32, init=[])
        write, read = small.write_port(), small.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(1), write.addr.eq(self.data[:5]), write.data.eq(self.data[:8]),
            read.addr.eq(self.data[5:10]), self.other.eq(read.data),
        ]  # fmt: skip
        return m


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_yosys_names_cells_as_we_think(family, tmp_path):
    """A design through the real synthesis: every memory cell belongs to a memory of ours."""
    (tmp_path / "top.il").write_text(rtlil.convert(TwoMemories(), name="top", emit_src=False))
    script = f"read_rtlil top.il\n{mapping(family, 'top')}\nwrite_json top.json\n"
    (tmp_path / "top.ys").write_text(script)
    run_tool(YOSYS, ["-q", "top.ys"], tmp_path, tmp_path / "log", Stage("synthesise"))
    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]
    source = (tmp_path / "top.il").read_text().splitlines()
    uses = {use.name: use for use in memory_uses(source, cells)}
    assert (uses["large"].words, uses["large"].width) == (600, 72)
    assert uses["large"].in_blocks and not uses["small"].in_blocks
    assert 0 < uses["large"].bits <= uses["large"].capacity
    assert uses["small"].bits == 256 <= uses["small"].capacity
