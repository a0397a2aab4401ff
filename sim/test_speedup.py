"""What sub-bit weights give: the closed form, the rows, the search within a budget, refusals."""

import json

import pytest

import sim.speedup.luts as luts
import sim.speedup.measure as measure
import sim.speedup.synthesis as synthesis
from hw.compiler import compile_network
from hw.cycles import total_cycles
from hw.flow.estimate import estimate
from hw.flow.progress import Progress
from hw.flow.resources import Resources
from hw.params import ArrayParameters
from model.bits import TAPS
from model.errors import CheckError, UserError
from model.nets import NETS
from sim.speedup.__main__ import main
from sim.speedup.clocks import array_clock
from sim.speedup.luts import equal_luts
from sim.speedup.published import closed_form, published
from sim.speedup.search import Correction, Search
from sim.speedup.synthesis import Synthesis
from sim.speedup.text import findings
from sim.speedup.weights import Weights
from sim.stacks import STACKS, Stack, stack_network
from sim.synthetic import random_network
from sim.synthetic_outcome import predicted_outcome
from sim.workers.results import Results

TINY = Stack(4, 2, ((2,), (4, 3)))
FORMS = {"report.json", "report.md", "report.png"}


@pytest.fixture
def tiny(monkeypatch):
    """A stack that Amaranth's simulator runs in seconds."""
    monkeypatch.setitem(STACKS, "tiny", TINY)


def run(out, *options, seed=0):
    """The report that the command leaves behind."""
    given = ["--net", "tiny", "--bits", "0.56", "--engine", "python", "--seed", str(seed)]
    assert main([*given, "--out", str(out), *options]) == 0
    return json.loads((out / "report.json").read_text())


@pytest.mark.parametrize(
    "net, blocks, expected", [("resnet18", (2, 2, 2, 2), 3.135), ("resnet34", (3, 4, 6, 3), 3.342)]
)
def test_the_formula_gives_the_published_speedups(net, blocks, expected):
    shapes = []
    for stage, count in enumerate(blocks):
        channels, side = 64 << stage, 56 >> stage
        before = max(64, channels // 2)  # the first layer of a stage takes the one before's
        shapes += [(before, channels, side * side)]
        shapes += [(channels, channels, side * side)] * (2 * count - 1)
    assert closed_form(shapes, 32, 4) == pytest.approx(expected, abs=5e-4)
    assert published(net, "0.56", 32, 4) == pytest.approx(expected, rel=0.005)
    assert published(net, "0.56", 16, 4) is published(net, "0.44", 32, 4) is None
    # Our stacks have these very shapes.
    convs = stack_network(net, TAPS, 0).convs
    sides = [conv.height // conv.stride for conv in convs]
    found = [(c.c_in, c.c_out, side * side) for c, side in zip(convs, sides, strict=True)]
    assert found == shapes


def test_stacks_of_small_networks():
    """0.267 Mbit in ResNet-20's 3x3 layers (method.md); cnv as it is trained."""
    convs = stack_network("resnet20", TAPS, 0).convs
    assert len(convs) == 18
    assert sum(9 * conv.c_in * conv.c_out for conv in convs) == 267_264
    assert STACKS["cnv"].kernel_applications == NETS["cnv"].kernel_applications
    whole, cut = (stack_network("cnv", 5, 0, rows=rows).convs for rows in (None, 8))
    for conv, short in zip(whole, cut, strict=True):
        assert (short.c_in, short.c_out, short.width) == (conv.c_in, conv.c_out, conv.width)
        assert short.height == conv.height // 4


def test_equal_bandwidth(tiny, seed, tmp_path):
    """A port of 3 bits: both engines wait for indices most of the time, 9 bits against 5."""
    report = run(tmp_path, "--basis", "index_bandwidth", "--port-bits", "3", seed=seed)
    (row,) = report["rows"]
    assert row["basis"] == "index_bandwidth" and row["port_bits"] == 3
    sizes = [(p["pixels"], p["channels"]) for p in row["parameters"].values()]
    assert sizes[0] == sizes[1]
    assert row["speedup"] == round(row["binary_cycles"] / row["subbit_cycles"], 4)
    assert 1.5 < row["speedup"] < 1.8
    assert len(row["simulated_layers"]) == len(row["layers"])
    assert "where indices alone would give 1.80" in (tmp_path / "report.md").read_text()


def test_equal_dot9(tiny, seed, tmp_path, capsys):
    report = run(tmp_path, "--basis", "dot9", "--lookups", "2", "4", "--units", "1", "2",
                 seed=seed)  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == FORMS
    assert (report["net"], report["bits"], report["published"]) == ("tiny", "0.56", None)
    rows = report["rows"]
    # No layer has more than 4 input channels.
    assert [(row["units"], row["lookups"], row["parameters"]["subbit"]["antipodal"])
            for row in rows] == [
        (units, lookups, antipodal)
        for units, most in ((1, 4), (2, 2))
        for antipodal in (False, True)
        for lookups in (2, 4)
        if lookups <= most
    ]  # fmt: skip
    for row in rows:
        binary, subbit = row["parameters"]["binary"], row["parameters"]["subbit"]
        assert row["basis"] == "dot9" and row["array"] == subbit["array"] == "shared"
        assert (binary["array"], binary["tau"], subbit["tau"]) == ("direct", 9, 5)
        # Units of the direct array are its channels, those of the shared one fill its tables.
        assert binary["pixels"] * binary["channels"] == subbit["pixels"] * subbit["fill"]
        assert subbit["channels"] == row["units"] * row["lookups"]
        assert row["simulated_layers"] == ["conv1", "conv2", "conv3"]
        for engine in ("binary", "subbit"):
            cycles = sum(layer[f"{engine}_cycles"] for layer in row["layers"])
            assert row[f"{engine}_cycles"] == cycles
        assert row["speedup"] == pytest.approx(row["binary_cycles"] / row["subbit_cycles"], 1e-3)
        # 4x4 and 2x2 maps in 4 lanes: none is idle.
        assert row["speedup_one_lane"] == row["speedup"]
    # conv1 by hand: 4 rows are 4 tiles, 2 channels 2 groups, a pass takes 4 cycles at least.
    assert rows[0]["layers"][0]["binary_cycles"] - 4 * 2 * 4 in range(5, 40)
    assert "speed-up" in (tmp_path / "report.md").read_text()
    assert "report.json" in capsys.readouterr().out


def test_a_stack_too_large_is_cut(tiny, tmp_path):
    options = ("--basis", "dot9", "--lookups", "2")
    whole = run(tmp_path / "whole", *options)["rows"]
    report = run(tmp_path / "cut", *options, "--limit", "1")
    for row, other in zip(report["rows"], whole, strict=True):
        assert row["subbit_cycles"] == other["subbit_cycles"]
        assert row["binary_cycles"] == other["binary_cycles"]
        assert row["cut_rows"] == {"binary": 2, "subbit": 2}
        assert row["simulated_layers"] == []
        assert 0 < row["values_compared"] < other["values_compared"]
    assert any("cycle model" in line for line in findings(report))


def test_a_wrong_value_or_ctrl_c_leaves_no_report(tiny, tmp_path, monkeypatch):
    (tmp_path / "report.json").write_text("of an earlier run")
    monkeypatch.setattr(
        measure,
        "run_all",
        lambda job, batches, **_: Results(
            predicted_outcome(job.program, [1], differing=[0]).batches, interrupted=False
        ),
    )
    with pytest.raises(CheckError, match="direct array 4 x 1, plain kernels: 1 of .* differ"):
        run(tmp_path, "--basis", "dot9")
    monkeypatch.setattr(measure, "run_all", lambda job, batches, **_: Results([], True))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "--basis", "dot9")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("weights", [Weights(TAPS), Weights(4), Weights(5, False)], ids=str)
def test_search_finds_the_fewest_cycles(tiny, weights):
    """Against every array compiled in full."""
    network = stack_network("tiny", weights.tau, 0, antipodal=weights.antipodal)
    array = "direct" if weights.tau == TAPS else "shared"
    budget, fewest = 4000, None
    for pixels in (4, 8, 16):
        for channels in range(1, 33):
            for fill in range(1, channels + 1) if array == "shared" else [None]:
                if fill and channels % fill:
                    continue
                program = compile_network(
                    network, array=array, pixels=pixels, channels=channels, fill=fill
                )
                if estimate(program, "xc7").lut <= budget:
                    cycles = total_cycles(program) - program.head_cycles
                    fewest = min(fewest or cycles, cycles)
    found = Search(stack_network("tiny", TAPS, 0)).best(weights, budget)
    assert found.cycles == fewest and found.luts <= budget
    assert Search(network).best(weights, 100) is None
    # An estimate that was too low leaves less room.
    corrected = Search(network).best(weights, budget, Correction(1.4, 100))
    assert corrected.luts == 1.4 * corrected.estimated + 100 <= budget


def test_corrections():
    assert Correction.of([])(70) == 70
    assert Correction.of([(100, 150)])(60) == 90
    line = Correction.of([(1, 1), (100, 150), (80, 120)])
    assert line(100) == 150 and line(80) == 120 and line(40) == 60
    assert Correction.of([(100, 150), (80, 160)])(40) == 80


def test_equal_luts(tiny, tmp_path, monkeypatch):
    """Synthesis made up: a tenth more than estimated; and so are clocks."""
    calls = []

    def pretended(program, folder, progress):
        calls.append(program.parameters)
        return Synthesis(Resources(round(1.1 * estimate(program, "xc7").lut), 1, 2, 3.5, 0), 0)

    def routed(array, folder, progress):
        return {"fmax_mhz": 100.0 if array.array == "direct" else 130.0, "lut": 1}

    monkeypatch.setattr(luts, "synthesise_engine", pretended)
    monkeypatch.setattr(luts, "array_clock", routed)
    report = run(tmp_path, "--basis", "lut", "--luts", "3000", "--clocks")
    (row,) = report["rows"]
    assert row["basis"] == "lut" and row["budget"] == 3000
    assert max(row["lut_binary"], row["lut_subbit"]) <= 3000
    ratio = row["binary_cycles"] / row["subbit_cycles"]
    expected = ratio * row["lut_binary"] / row["lut_subbit"]
    assert row["speedup"] == pytest.approx(expected, 1e-3)
    assert row["speedup_own_clocks"] == pytest.approx(1.3 * expected, 1e-3)
    assert "100.0 and 130.0 MHz" in findings(report)[-1]
    assert 2 <= len(calls) == len(set(calls)) <= 6
    assert equal_luts(1.2, 1000, 1000) == 1.2 and equal_luts(1, 1100, 1000) == 1.1


def test_what_was_synthesised_is_kept(tmp_path, monkeypatch):
    """Yosys itself, once; a second time, and for other weights, it is not called."""
    taken = []
    for seed in (1, 2):
        network = random_network(seed, channels=(2, 1100), tau=4)
        program = compile_network(network, pixels=8, channels=1)
        taken.append(synthesis.synthesise_engine(program, tmp_path, Progress()))
        monkeypatch.setattr(synthesis, "synthesise", None)
    assert taken[0] == taken[1] and taken[0].resources.lut > 100
    words = 3 * 2 + 2 * 1100
    assert taken[0].index_bits_left_out == 4 * (words - synthesis.INDEX_WORDS)


def test_clocks_of_arrays(tmp_path):
    parameters = ArrayParameters("shared", 2, 2, 4, True, 1)
    found = array_clock(parameters, tmp_path, Progress())
    assert 20 < found["fmax_mhz"] < 1000 and found["lut"] > 10
    assert array_clock(parameters, tmp_path, Progress()) == found


@pytest.mark.parametrize(
    "options, message",
    [
        (["--net", "alexnet", "--bits", "0.56"], "invalid choice: 'alexnet'"),
        (["--net", "tiny", "--bits", "1"], "invalid choice: '1'"),
        (["--net", "tiny"], "required: --bits"),
        (["--net", "tiny", "--bits", "0.56", "--basis", "luck"], "invalid choice: 'luck'"),
        (["--net", "tiny", "--bits", "0.56", "--units", "0"], "--units must be .* not '0'"),
        (["--net", "tiny", "--bits", "0.56", "--lookups", "x"], "--lookups must be .* not 'x'"),
        (["--net", "tiny", "--bits", "0.56", "--lookups", "9"], "--units and --lookups: no array"),
        (["--net", "tiny", "--bits", "0.56", "--luts", "5", "--basis", "lut"], "--luts 5: too few"),
        (["--net", "tiny", "--bits", "0.56", "--out", "/proc/nowhere"], "cannot be written"),
    ],
)
def test_refusals(tiny, tmp_path, options, message):
    given = ["--engine", "python", "--basis", "dot9", "--out", str(tmp_path), *options]
    with pytest.raises(UserError, match=message) as caught:
        main(given)
    assert caught.value.exit_status == 2 and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
