"""The memories of a whole engine, mapped by Yosys, and the command that tells them."""

import json

import pytest

from hw.compiler import compile_network
from hw.flow.memories import MemoryUse
from model.errors import UserError
from sim import packing
from sim.synthetic import random_network


@pytest.mark.slow
@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_every_memory_of_an_engine_is_found(family, seed):
    network = random_network(
        seed, image=(1, 8, 8), levels=3, channels=(24, 48), pools=("max2", "none")
    )
    program = compile_network(network, pixels=8, channels=4, fill=2)
    uses = packing.mapped_memories(program, family)
    by_name = {use.name.split("$")[0]: use for use in uses}
    sizes, (planes, *_) = program.sizes, network.planes_shape
    indices = by_name["sum_side.indices"]
    assert (indices.words, indices.width) == (24 + 6 * 48, 4 * 5)
    # The first layer's three planes leave a lane of four empty.
    assert indices.bits == 5 * (planes * 24 + 24 * 48) < indices.words * indices.width
    sums = by_name["word_side.accumulator.memory"]
    assert (sums.words, sums.width, sums.kind) == (48, 8 * sizes.sum_bits, "working")
    assert sums.in_blocks and sums.bits + sums.plain()["padding"] == sums.capacity
    assert by_name["window_side.memory.bank*"].count == 3


def test_the_report_says_it_by_memory_and_by_kind(monkeypatch, tmp_path, capsys):
    uses = [
        MemoryUse("sum_side.indices", 1, 1000, 36, {"RAMB36E1": 1}),
        MemoryUse("word_side.accumulator.memory", 1, 10, 36, {"RAMB18E1": 1}),
    ]
    monkeypatch.setattr(packing, "mapped_memories", lambda program, family: uses)
    packing.main(["--net", "cnv", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert "| sum_side.indices | weights | 1,000 x 36 | 36,000 | 864 | 1 RAMB36E1 | 97.7% |" in said
    assert "| weights, thresholds, activations | 36,000 | 36,864 | 97.7% |" in said
    assert "| all | 36,360 | 55,296 | 65.8% |" in said
    report = json.loads((tmp_path / "xc7-cnv.json").read_text())
    assert report["fill_by_kind"]["working"] == {"bits": 360, "capacity": 18_432, "fill": 0.0195}
    assert report["cycles"] > 5_000 and report["parameters"]["pixels"] == 64


def test_what_cannot_be_is_told(tmp_path):
    with pytest.raises(UserError, match="--array direct"):
        packing.main(["--bits", "1", "--out", str(tmp_path)])
    with pytest.raises(UserError, match="invalid choice: 'none'"):
        packing.main(["--net", "none"])
