"""Mapping for the open routers: without what they get wrong, and still the same circuit."""

import json
import random

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hw.flow.mapping import mapping
from hw.flow.netlist_check import risky_cells
from hw.flow.progress import Stage
from hw.flow.tools import YOSYS, run_tool
from hw.flow.xc7.risks import Risk
from hw.stream.multiplier import Multiplier

# Two chains of several CARRY4 with a signal as their first carry, one of them signed, and one with
# a constant as that.
SUMS = """module top(input [8:0] a, input [8:0] b, input c, output [10:0] y, output [9:0] z, w);
    assign y = {a, c} + {b, c}, w = a - b;
    assign z = $signed({a, c}) + $signed({b[4:0], c});
endmodule"""
# As `equiv_opt` does, for more than one command. Xilinx's cells are replaced by their models.
PROVE = """
design -save source
prep -top top -flatten
rename top gold
design -stash gold
design -load source
{mapping}
write_json top.json
techmap -wb -D EQUIV -autoproc -map +/xilinx/cells_sim.v
rename top gate
design -stash gate
design -copy-from gold gold
design -copy-from gate gate
equiv_make gold gate equiv
async2sync
equiv_struct equiv
equiv_simple equiv
equiv_induct equiv
equiv_status -assert equiv
"""


def proven(folder, source: str, avoid, check: str = PROVE) -> dict:
    """The netlist's top module, of which Yosys proved that it is the source's circuit."""
    reader = "read_verilog -sv top.v" if source.startswith("module") else "read_rtlil top.il"
    (folder / reader.split()[-1]).write_text(source)
    commands = mapping("xc7", "top", ports=False, avoid=avoid).replace("; ", "\n")
    (folder / "top.ys").write_text(f"{reader}\n{check.format(mapping=commands)}")
    run_tool(YOSYS, ["-q", "top.ys"], folder, folder / "log", Stage("prove"))
    return json.loads((folder / "top.json").read_text())["modules"]["top"]


def kinds(module: dict) -> list[str]:
    return [cell["type"] for cell in module["cells"].values()]


@pytest.mark.parametrize("avoid", [set(), {Risk.CARRY}], ids=["kept", "avoided"])
def test_carry_chains_are_what_routers_take(tmp_path, avoid):
    """Both routers take the first carry of CYINIT where CI is 0, and all else of CI alone.

    That is split_carry4s() of pack_carry_xc7.cc (fork, until 0.8) and pack_carry.cc (mainline), and
    pack_carries_atomic() of the fork since; hence no CARRY4 may have both.
    """
    module = proven(tmp_path, SUMS, avoid)
    chains = [c["connections"] for c in module["cells"].values() if c["type"] == "CARRY4"]
    signals = 0
    for ports in chains:
        (first,), (cascade,) = ports["CYINIT"], ports["CI"]
        assert "0" in (first, cascade)
        if isinstance(cascade, int):
            assert any(other["CO"][3] == cascade for other in chains)
        signals += isinstance(first, int)
    assert signals == (0 if avoid else 2)
    assert risky_cells(module, {Risk.CARRY}) == (
        [] if avoid else [f"2 x {Risk.CARRY}"]
    )


SHAPES = ((4, 5), (6, 3), (2, 2))


class Products(Component):
    """What a stream does with DSP blocks, small enough for a proof; odd and even widths."""

    a: In(6)
    b: In(6)
    products: Out(sum(a + b for a, b in SHAPES))

    def elaborate(self, platform):
        m = Module()
        products = []
        for number, (a_bits, b_bits) in enumerate(SHAPES):
            multiplier = Multiplier(a_bits, b_bits)
            m.submodules[f"scale_multiply{number}"] = multiplier
            m.d.comb += [multiplier.a.eq(self.a), multiplier.b.eq(self.b)]
            products.append(multiplier.product)
        m.d.comb += self.products.eq(Cat(products))
        return m


def test_products_of_streams_without_dsp_blocks(tmp_path):
    source = rtlil.convert(Products(), name="top", emit_src=False)
    module = proven(tmp_path, source, {Risk.DSP})
    assert "CARRY4" in kinds(module)
    assert not [kind for kind in kinds(module) if kind.startswith("DSP")]
    assert risky_cells(module) == []


class Words(Component):
    """A memory of 4096 words, which by itself would be a RAMB36E1 with ports of 9 bits, and a wide
    one of 512, which would be one with a port of 72; both with random contents."""

    def __init__(self, rng: random.Random):
        super().__init__({"a": In(12), "deep": Out(9), "wide": Out(72)})
        self.contents = {
            "deep": [rng.getrandbits(9) for _ in range(4096)],
            "wide": [rng.getrandbits(72) for _ in range(512)],
        }

    def elaborate(self, platform):
        m = Module()
        for name, words in self.contents.items():
            port = getattr(self, name)
            memory = Memory(shape=len(port), depth=len(words), init=words)
            m.submodules[f"{name}_memory"] = memory
            read, write = memory.read_port(), memory.write_port()
            m.d.comb += [
                read.addr.eq(self.a), port.eq(read.data),
                write.addr.eq(self.a), write.data.eq(self.a), write.en.eq(self.a[0]),
            ]  # fmt: skip
        return m


def ones(module: dict) -> int:
    """Set bits in the contents of block RAM."""
    return sum(
        str(value).count("1")
        for cell in module["cells"].values()
        if cell["type"].startswith("RAMB")
        for name, value in cell["parameters"].items()
        if name.startswith("INIT") and name not in ("INIT_A", "INIT_B")
    )


@pytest.mark.parametrize(
    ("avoid", "left", "blocks"),
    [({Risk.ODD}, "2 x block RAM with a 72- or 36-bit port", 2), ({Risk.ODD, Risk.WIDE}, None, 3)],
    ids=["odd", "both"],
)
def test_block_ram_without_the_widths_that_go_wrong(tmp_path, seed, avoid, left, blocks):
    words = Words(random.Random(seed))
    source = rtlil.convert(words, name="top", emit_src=False)
    module = proven(tmp_path, source, avoid, "{mapping}\nwrite_json top.json\n")
    found = [line.split(":")[0] for line in risky_cells(module, {Risk.ODD, Risk.WIDE})]
    assert found == ([left] if left else [])
    assert ones(module) == sum(
        word.bit_count() for contents in words.contents.values() for word in contents
    )
    # Without ports of 36 bits, half of the wide memory's blocks is empty.
    assert kinds(module).count("RAMB18E1") == 2 * blocks and "RAMB36E1" not in kinds(module)
