"""The command that simulates random networks: what it draws, and what it says when one differs."""

import json

import pytest

from model.errors import UserError
from sim import random_networks as command
from sim.random_networks import KINDS, random_trial


def test_every_kind_is_drawn():
    """Among the 200 of seed 0, and twice the same."""
    trials = [random_trial(0, number) for number in range(200)]
    counts = {kind: sum(map(bool, map(holds, trials))) for kind, holds in KINDS.items()}
    assert min(counts.values()) >= 2, counts
    assert [str(random_trial(0, number)) for number in (3, 150)] == [
        str(trials[3]),
        str(trials[150]),
    ]
    assert len({str(trial) for trial in trials}) == 200


def run(tmp_path, *options):
    return command.main([*options, "--engine", "python", "--out", str(tmp_path)])


def test_a_few_networks(seed, tmp_path, capsys):
    assert run(tmp_path, "--count", "3", "--seed", str(seed)) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["number"] for row in report["networks"]] == [0, 1, 2]
    assert report["differing"] == 0 and report["values"] > 0
    assert report["values"] == sum(row["values"] for row in report["networks"])
    text = capsys.readouterr().out
    assert "3/3 network 2: all equal" in text and ": 0 networks differ" in text


def test_a_network_that_differs_fails(seed, tmp_path, capsys, monkeypatch):
    def simulate(trial, engine):
        problem = "layer conv1: channel 2" if len(found) in (1, 2) else None
        found.append(trial)
        return {"images": 1, "values": 10, "cycles": 100}, problem

    found = []
    monkeypatch.setattr(command, "_simulate", simulate)
    with pytest.raises(UserError, match="^network 8: layer conv1: channel 2$") as caught:
        run(tmp_path, "--count", "4", "--first", "7", "--seed", str(seed))
    assert caught.value.exit_status == 1
    assert "2 networks differ" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["differing"] == 2


@pytest.mark.parametrize("options", [("--count", "0"), ("--first", "-1"), ("--first", "999999")])
def test_bad_input(tmp_path, options):
    with pytest.raises(UserError) as caught:
        run(tmp_path, *options)
    assert caught.value.exit_status == 2 and "\n" not in str(caught.value)
