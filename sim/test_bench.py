"""The benchmark measures what it says, on circuits small enough for a test."""

import json

import pytest

from model.errors import UserError
from sim.bench import __main__ as command
from sim.bench.measure import Case, measure
from sim.bench.table import markdown, ratios
from sim.compiled.toolchain import find_toolchain, missing
from sim.stacks import STACKS, stack_network
from sim.synthetic import random_images, random_network

CONTRACT = (
    "engine", "array", "pixels", "channels", "kernel_applications_per_second",
    "cycles_per_second", "compile_seconds",
)  # fmt: skip
needs_compiler = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def tiny_case(seed, count=3):
    network = random_network(seed, image=(1, 6, 6), channels=(4, 4), pools=("none", "none"))
    return Case(network, random_images(seed, network, count), (), "shared", 12, 2)


def test_python_stops_after_its_time(seed):
    row = measure(tiny_case(seed, 400), "python", None, 0.5, print)
    assert 0.5 < row.seconds < 5 and row.cycles > 50
    assert row.cycles_per_second == row.cycles / row.seconds
    # 4 x 4 + 4 x 3 input channels to output channels, on 36 windows each.
    applications = (3 * 4 + 4 * 4) * 36
    assert row.kernel_applications_per_second == pytest.approx(row.images_per_second * applications)
    assert row.start_seconds is None


@needs_compiler
@pytest.mark.slow
def test_all_translators_simulate_the_same_cycles(seed):
    network = random_network(seed, image=(1, 3, 3), levels=1, channels=(1,), pools=("none",), tau=3)
    case = Case(network, random_images(seed, network, 3), (), "direct", 3, 1)
    rows = {
        engine: measure(case, engine, find_toolchain(), 1, print)
        for engine in ("observed", "verilator", "cxxrtl")
    }
    assert rows["verilator"].cycles == rows["cxxrtl"].cycles
    # Those that look at nothing end with the last result, the other when the engine is idle again.
    assert 0 <= rows["observed"].cycles - rows["verilator"].cycles <= 1
    assert all(row.compile_seconds > 0.5 for row in rows.values())


def test_the_command_writes_the_contract(tmp_path, monkeypatch, seed, capsys):
    monkeypatch.setattr(command, "PLANS", {"small": ("python",)})
    monkeypatch.setattr(command, "_case", lambda name: tiny_case(seed, 200))
    command.main(["--seconds", "0.2", "--out", str(tmp_path)])
    (row,) = json.loads((tmp_path / "sim.json").read_text())
    assert set(CONTRACT) <= set(row)
    assert row["engine"] == "python" and row["commit"] and row["versions"]["amaranth"]
    text = (tmp_path / "sim.md").read_text()
    assert "| shared 12x2 | python |" in text and "python -m sim.bench --seconds 0.2" in text
    assert "results:" in capsys.readouterr().out


def test_seconds_must_be_some(tmp_path):
    with pytest.raises(UserError, match="--seconds must be more than 0"):
        command.main(["--seconds", "0", "--out", str(tmp_path)])


def test_ratios_are_of_the_same_circuit(seed):
    row = measure(tiny_case(seed, 200), "python", None, 0.2, print)
    fields = vars(row)
    fast = type(row)(
        **fields | {"engine": "compiled", "cycles_per_second": 700 * row.cycles_per_second}
    )
    other = type(row)(**fields | {"engine": "compiled", "pixels": 99})
    assert ratios([row, fast, other]) == [
        f"{row.network}, shared 12x2: compiled is 700 times as fast as python"
    ]
    facts = {"versions": {"python": "3"}, "machine": "m", "commit": None, "command": "c"}
    assert "700 times" in markdown([row, fast], facts)


def test_stacks_have_the_published_sizes():
    """Kernel applications of one image from the layers' shapes, computed apart."""
    sizes = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
    for name, blocks in sizes.items():
        total = 0
        for stage, count in enumerate(blocks):
            channels, side = 64 << stage, 56 >> stage
            # Two convolutions a block; the first one of a later stage has half the inputs.
            halves = 1 if stage else 0
            total += (4 * count - halves) * channels * channels * side * side // 2
        assert STACKS[name].kernel_applications == total
        convs = stack_network(name, 9, 0).convs
        places = [n for n, conv in enumerate(convs) if conv.stride == 2]
        assert places == [2 * sum(blocks[:stage]) for stage in (1, 2, 3)]
        assert {conv.pool for conv in convs} == {"none"}
    assert STACKS["resnet18"].kernel_applications == 186_253_312
    # 4.571 Mbit of binary weights in VGG-small's 3x3 layers (method.md).
    convs = stack_network("vgg-small", 9, 0).convs
    assert round(sum(9 * conv.c_in * conv.c_out for conv in convs) / 1e6, 3) == 4.571
    with pytest.raises(UserError, match="--stack alexnet is not known"):
        stack_network("alexnet", 5, 0)
