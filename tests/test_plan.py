"""Plans: exact cycles, the estimate, targets, the sweep and its front, refusals."""

import json
import time
from fractions import Fraction

import pytest

from hw.boards import ARTY_A7, BOARDS
from hw.compiler import compile_network
from hw.cycles import total_cycles
from hw.flow.clock import estimate_clock
from hw.flow.estimate import estimate
from hw.plan.__main__ import main
from hw.plan.explore import front, points, shapes, with_tau
from hw.plan.verify import verify
from model.errors import UserError
from model.format import save
from model.shipped import load_model
from sim.synthetic import random_network


def planned(folder, *options) -> tuple[int, dict]:
    status = main([*options, "--out", str(folder)])
    return status, json.loads((folder / "report.json").read_text())


@pytest.fixture
def tiny(seed, tmp_path):
    network = random_network(seed, image=(1, 4, 4), channels=(3, 4))
    path = tmp_path / "tiny.safetensors"
    save(network, path)
    return network, str(path)


def test_every_board_in_seconds(tmp_path):
    # Its own seconds, as others may be at work beside it.
    begun = time.process_time()
    status, page = planned(tmp_path, "--board", "all", "--model", "digits")
    assert time.process_time() - begun < 10
    assert status == 0 and [one["board"] for one in page["plans"]] == list(BOARDS)
    network = load_model("digits")
    for one in page["plans"]:
        shape = {k: one["parameters"][k] for k in ("array", "pixels", "channels", "fill")}
        program = compile_network(network, **shape)
        board = BOARDS[one["board"]]
        assert one["cycles"] == total_cycles(program)
        assert one["images_per_second"] == round(1e6 * one["clock_mhz"] / one["cycles"], 1)
        needs = estimate(program, board.family)
        for name, row in one["resources"].items():
            assert row == {"used": getattr(needs, name), "available": board.available[name]}
        reach = estimate_clock(board, needs.lut)
        assert (one["estimated_mhz"], one["clock_basis"]) == (reach.mhz, reach.basis)
        if reach.mhz is not None:
            rate = round(1e6 * reach.mhz / one["cycles"], 1)
            assert one["estimated_images_per_second"] == rate
        assert one["fits"] and 0 < one["share"] <= 1
        assert sum(one["bound_by"].values()) == pytest.approx(1, abs=0.05)
    text = (tmp_path / "report.md").read_text()
    assert all(name in text for name in BOARDS)


def test_a_target_takes_the_smallest_that_reaches_it(tmp_path, capsys):
    _, fast = planned(tmp_path, "--board", "arty_a7")
    status, page = planned(tmp_path, "--board", "arty_a7", "--target-ips", "20000")
    (one,), (fastest,) = page["plans"], fast["plans"]
    assert status == 0 and one["images_per_second"] >= 20_000
    assert one["resources"]["lut"]["used"] < fastest["resources"]["lut"]["used"]
    assert "none that is smaller does with the 5,000 cycles asked for" in one["reason"]
    capsys.readouterr()
    status, page = planned(tmp_path, "--board", "arty_a7", "--target-ips", "1e9")
    assert status == 1
    assert "1,000,000,000 images/s asked for" in capsys.readouterr().out


def test_a_design_that_does_not_fit(tmp_path):
    options = ("--board", "arty_a7", "--pixels", "64", "--channels", "32")
    status, page = planned(tmp_path, *options)
    assert status == 1 and not page["plans"][0]["fits"]
    status, page = planned(tmp_path, "--board", "arty_a7", "--pixels", "256", "--channels", "64")
    assert status == 1 and page["plans"] == []


def test_the_front_is_what_nobody_would_do_without(tiny):
    network, _ = tiny
    swept = list(shapes(network, ARTY_A7, (4, 9)))
    plans = points(network, ARTY_A7, Fraction(100), swept)
    assert len(plans) == len(swept) > 10
    best = front(plans, lambda one: one.resources["lut"]["used"])

    def beats(one, other) -> bool:
        a, b = (p.resources["lut"]["used"] for p in (one, other))
        faster = one.images_per_second >= other.images_per_second
        return a <= b and faster and (a, one.images_per_second) != (b, other.images_per_second)

    chosen = {id(one) for one in best}
    for one in plans:
        beaten = any(beats(other, one) for other in plans)
        assert not (beaten and id(one) in chosen)
        if not beaten:
            same = (one.resources["lut"]["used"], one.images_per_second)
            assert same in [(p.resources["lut"]["used"], p.images_per_second) for p in best]


def test_other_bits_change_only_the_weights(tiny):
    network, _ = tiny
    for tau in (3, 6, 9):
        other = with_tau(network, tau)
        for conv, given in zip(other.convs, network.convs, strict=True):
            assert conv.tau == tau and conv.antipodal == (tau < 9)
            assert len(set(conv.codebook.tolist())) == 1 << tau
            assert conv.indices.shape == given.indices.shape and conv.out_shape == given.out_shape


def test_explore(tiny, tmp_path):
    _, path = tiny
    options = ("--explore", "--bits", "0.44", "1")
    status, page = planned(tmp_path, "--board", "arty_a7", "--model", path, *options)
    assert status == 0 and len(page["front"]) > 2 and page["checked"] == []
    assert {one["parameters"]["tau"] for one in page["front"]} <= {4, 9}
    assert (tmp_path / "pareto.png").read_bytes().startswith(b"\x89PNG")
    assert "pareto.png" in (tmp_path / "report.md").read_text()


@pytest.mark.slow
def test_verify_asks_yosys(tiny):
    network, _ = tiny
    swept = [(4, {"array": "shared", "pixels": 4, "channels": 2, "fill": 1})]
    plans = points(network, ARTY_A7, Fraction(100), swept)
    ((plan, found),) = verify(network, plans, 1)
    assert plan is plans[0] and found["bram"] == plan.resources["bram"]["used"]
    assert found["lut"] > 100


def test_a_clock_too_high_is_said(tmp_path, capsys):
    options = ("--board", "ulx3s_85f", "--clock", "200")
    planned(tmp_path, *options)
    assert "200 MHz are the target asked for; an estimate is too low" in unwrapped(capsys)
    planned(tmp_path, "--board", "arty_a7")
    assert "100 MHz are the target asked for, the clock is not estimated" in unwrapped(capsys)


def unwrapped(capsys) -> str:
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "options, message",
    [
        (["--board", "artix"], "board 'artix' is not known; known boards: arty_a7"),
        ([], "required: --board"),
        (["--board", "arty_a7", "--pixels", "0"], "--pixels must be at least 1"),
        (["--board", "arty_a7", "--target-ips", "0"], "--target-ips must be above 0"),
        (["--board", "arty_a7", "--verify"], "add --explore"),
        (["--board", "all", "--explore"], "--explore looks at one board"),
        (["--board", "ulx3s_85f", "--clock", "33.3"], "cannot make 33.3 MHz"),
        (["--board", "arty_a7", "--clock", "x"], "--clock must be MHz"),
        (["--board", "arty_a7", "--model", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--board", "arty_a7", "--bits", "0.5"], "invalid choice: '0.5'"),
    ],
)
def test_refusals(options, message, tmp_path):
    with pytest.raises(UserError, match=message):
        main([*options, "--out", str(tmp_path / "out")])
