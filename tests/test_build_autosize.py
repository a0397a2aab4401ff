"""The chosen array: it fits with a margin, its lanes are filled, and the reason is the true one."""

import json

import pytest

from hw.boards import BOARDS
from hw.compiler import compile_network
from hw.cycles import total_cycles
from hw.flow import autosize
from hw.flow.autosize import TOLERANCE, WORTHWHILE, choose, lane_counts, margins
from hw.flow.estimate import CALIBRATION, FITTED, block_rams, estimate, least_luts
from hw.flow.resources import Resources
from model.errors import CheckError, UserError
from model.shipped import load_model
from sim.synthetic import random_network

FREE = {"array": None, "pixels": None, "channels": None, "fill": None}


@pytest.fixture(scope="module")
def digits():
    return load_model("digits")


def simple(program, family):
    """A resource model that a test can reckon with."""
    p = program.parameters
    return Resources(lut=1000 + 10 * p.kernel_applications + 10 * p.pixels * p.fill,
                     lutram=2 * p.kernel_applications, ff=100, bram=5, dsp=0)  # fmt: skip


def candidates(network, board, array="shared"):
    """Every size the chooser may take, reckoned again: (parameters, cycles, needs)."""
    for pixels in lane_counts(network):
        for channels in autosize.CHANNELS:
            program = compile_network(network, array=array, pixels=pixels, channels=channels)
            yield program.parameters, total_cycles(program), simple(program, board.family)


def fits(needs, board):
    return all(getattr(needs, n) <= m * board.available[n] for n, m in margins(board).items())


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_choice_fits_and_nothing_that_fits_is_noticeably_faster(monkeypatch, board):
    monkeypatch.setattr(autosize, "estimate", simple)
    network = random_network(3, image=(1, 8, 8), channels=(16, 24), pools=("none", "max2"))
    choice = choose(network, board, **FREE)
    cycles = total_cycles(choice.program)
    assert fits(simple(choice.program, board.family), board)
    sizes = candidates(network, board, board.array)
    fitting = [c for _, c, needs in sizes if fits(needs, board)]
    assert cycles <= (1 + WORTHWHILE) * min(fitting)


def test_choice_takes_no_area_for_nothing(monkeypatch):
    """Of two sizes that are nearly as fast, the smaller."""
    monkeypatch.setattr(autosize, "estimate", simple)
    board = BOARDS["ulx3s_85f"]
    network = random_network(3, image=(1, 4, 4), channels=(4,), pools=("none",))
    chosen = choose(network, board, **FREE)
    fastest = min(c for _, c, n in candidates(network, board) if fits(n, board))
    near = [
        n.lut
        for _, c, n in candidates(network, board)
        if fits(n, board) and c <= (1 + WORTHWHILE) * fastest
    ]
    assert simple(chosen.program, board.family).lut <= (1 + TOLERANCE) * min(near)
    assert "no larger array would save 10%" in chosen.reason


def test_reason_names_what_runs_out(monkeypatch):
    monkeypatch.setattr(autosize, "estimate", simple)
    network = random_network(4, image=(1, 32, 32), channels=(64, 64), pools=("none", "none"))
    reason = choose(network, BOARDS["arty_a7"], **FREE).reason
    assert "beyond the limit of 80%" in reason and "lut" in reason


def test_lanes_are_those_that_the_maps_fill(digits):
    assert lane_counts(digits) == [8, 16, 32, 64]
    mnist_like = random_network(
        1, image=(1, 28, 28), channels=(2, 2, 2), pools=("max2", "max2", "none")
    )
    assert lane_counts(mnist_like) == [28, 56, 112, 224]
    assert lane_counts(random_network(1, image=(1, 5, 3), channels=(2,), pools=("none",))) == [
        3, 6, 12, 24,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        {"pixels": 16},
        {"channels": 4},
        {"array": "direct"},
        {"pixels": 8, "channels": 2},
        {"channels": 8, "fill": 2},
    ],
)
def test_what_is_given_is_kept(digits, given):
    parameters = choose(digits, BOARDS["arty_a7"], **FREE | given).program.parameters
    for name, value in given.items():
        assert getattr(parameters, name) == value


def test_plain_binary_network_gets_the_direct_array():
    network = random_network(2, tau=9, antipodal=False, channels=(4,), pools=("none",))
    assert choose(network, BOARDS["arty_a7"], **FREE).program.parameters.array == "direct"
    with pytest.raises(UserError, match="direct"):
        choose(network, BOARDS["arty_a7"], **FREE | {"array": "shared"})


def test_lanes_below_a_map_are_kept(digits):
    """They are too few for a row of the map, halved or not: rows are cut."""
    choice = choose(digits, BOARDS["arty_a7"], **FREE | {"pixels": 3})
    assert choice.program.parameters.pixels == 3
    assert [plan.columns for plan in choice.program.plans[:2]] == [4, 4]


def test_network_that_fits_no_part_gets_the_smallest_array(monkeypatch, digits):
    monkeypatch.setattr(autosize, "estimate", lambda p, f: Resources(10**6, 0, 0, 0, 0))
    choice = choose(digits, BOARDS["arty_a7"], **FREE)
    assert "although it may not fit" in choice.reason


def test_certain_misfit_is_refused(digits):
    with pytest.raises(CheckError, match=r"needs over 786,432 lut and xc7a35t.* has 20,800"):
        choose(digits, BOARDS["arty_a7"], **FREE | {"pixels": 1024, "channels": 256})


def rows():
    return json.loads(CALIBRATION.read_text("utf-8"))["rows"]


def named(row):
    return f"{row['family']}-{row['array']}-{row['pixels']}x{row['channels']}-{row['fill']}"


@pytest.mark.parametrize("row", rows(), ids=named)
def test_estimate_agrees_with_what_was_measured(digits, row):
    program = compile_network(
        digits,
        array=row["array"],
        pixels=row["pixels"],
        channels=row["channels"],
        fill=row["fill"] or None,
    )
    found = estimate(program, row["family"])
    for name in (*FITTED,):
        measured = row["resources"][name]
        assert getattr(found, name) == pytest.approx(measured, rel=0.06, abs=50), name
    assert block_rams(program, row["family"]) == row["resources"]["bram"]


@pytest.mark.parametrize("row", rows(), ids=named)
def test_early_refusal_is_far_below_what_was_measured(row):
    least = least_luts(row["family"], row["array"], row["pixels"], row["channels"])
    assert least < 0.7 * row["resources"]["lut"]
