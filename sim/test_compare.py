"""Reports side by side: ratios, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from hw.compiler import compile_network
from hw.cycles import total_cycles
from model.errors import UserError
from sim.compare.__main__ import main
from sim.compare.text import layer_rows, quantity_rows
from sim.report import Setup, build_report
from sim.report.files import json_text
from sim.synthetic import random_images, random_network
from sim.synthetic_outcome import predicted_outcome

FORMS = {"compare.json", "compare.md", "compare.html", "compare.png"}


def report_of(seed, *, array="shared", pixels=8, channels=4, tau=5, count=3, dataset="digits",
              convs=(4, 6), images=(1, 8, 8), **what):  # fmt: skip
    """A report of a made-up run, and the engine's program."""
    network = random_network(seed, image=images, channels=convs, pools=("none",) * len(convs),
                             tau=tau)  # fmt: skip
    program = compile_network(network, array=array, pixels=pixels, channels=channels)
    setup = Setup("tiny <1>", dataset, array, pixels, channels, program.parameters.fill, 0, 0,
                  False, "python -m sim.run")  # fmt: skip
    outcome = predicted_outcome(program, [1] * count, **what)
    shown = random_images(seed, network, count)
    return build_report(setup, program, outcome, shown, np.ones(count, int), 1.0), program


@pytest.fixture
def place(tmp_path):
    """Writes a report into a folder of this name."""

    def write(name: str, report) -> Path:
        (tmp_path / name).mkdir()
        text = report if isinstance(report, str) else json_text(report)
        (tmp_path / name / "report.json").write_text(text)
        return tmp_path / name

    return write


def compare(out, *places):
    """The comparison that the command leaves behind."""
    main([*map(str, places), "--out", str(out)])
    assert {path.name for path in out.iterdir()} == FORMS
    return json.loads((out / "compare.json").read_text())


def test_ratios(seed, place, tmp_path, capsys):
    made = [report_of(seed), report_of(seed, array="direct", pixels=16),
            report_of(seed + 1, tau=3, channels=2, count=5)]  # fmt: skip
    places = [place(name, report) for name, (report, _) in zip("xyz", made, strict=True)]
    # Both the folder and the file in it are understood.
    found = compare(tmp_path / "out", places[0], places[1] / "report.json", places[2])
    assert [report["name"] for report in found["reports"]] == ["A", "B", "C"]
    quantities = {entry["key"]: entry for entry in found["quantities"]}
    cycles = [total_cycles(program) for _, program in made]
    assert quantities["total_cycles"]["values"] == cycles
    assert quantities["total_cycles"]["ratios"] == pytest.approx(
        [n / cycles[0] for n in cycles], abs=1e-4
    )
    assert quantities["stored_bits"]["ratios"] == [1, 1, 0.6]
    for number, layer in enumerate(found["layers"]):
        each = [report["layers"][number]["cycles"] for report, _ in made]
        assert layer["cycles"] == each
        assert layer["ratios"] == pytest.approx([n / each[0] for n in each], abs=1e-4)
    assert "array" in found["different"] and "model" not in found["different"]
    assert found["notes"] == ["Accuracies are over different images."]
    text = (tmp_path / "out" / "compare.md").read_text()
    page = (tmp_path / "out" / "compare.html").read_text()
    shown = capsys.readouterr().out
    for row in (*quantity_rows(found), *layer_rows(found)):
        assert f"| {' | '.join(row)} |" in text
        assert all(cell in shown for cell in row)
        for cell in row:
            assert cell.split(" (")[0] in page
    assert "tiny &lt;1&gt;" in page and "tiny <1>" not in page
    for word in ("http", "url(", "<script", "<link"):
        assert word not in page
    for layer in found["layers"]:
        longest = max(max(other["cycles"]) for other in found["layers"])
        for phase in ("useful", "fill", "drain", "stall"):
            for n in layer[phase]:
                if n:
                    assert f'class="c-{phase}" style="width:{100 * n / longest:.3f}%"' in page


def test_single_images_and_no_labels(seed, place, tmp_path):
    report, _ = report_of(seed, count=1)
    plain = replace_keys(report, accuracy=None, lanes=None)
    found = compare(tmp_path / "out", place("a", report), place("b", plain))
    keys = {entry["key"]: entry for entry in found["quantities"]}
    assert "interval_cycles" not in keys
    assert keys["accuracy"]["ratios"][1] is None
    assert any("single image" in note for note in found["notes"])
    again = compare(tmp_path / "out", place("c", plain), place("d", plain))
    assert "accuracy" not in {entry["key"] for entry in again["quantities"]}


def replace_keys(report, **keys):
    return report | keys


def without(report, key):
    return {name: value for name, value in report.items() if name != key}


def refused(tmp_path, message, *places):
    """It ends with status 2 and one line, and leaves nothing."""
    out = tmp_path / "out"
    with pytest.raises(UserError) as caught:
        main([*map(str, places), "--out", str(out)])
    assert caught.value.exit_status == 2
    assert re.search(message, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)
    assert not out.exists()


OTHERS = {
    "data set": (dict(dataset="mnist"), "A ran on digits, B on mnist"),
    "fewer layers": (dict(convs=(4,)), "A is a network of 3 layers, B one of 2"),
    "other shapes": (dict(convs=(4, 5)),
                     "layer conv2 is 4 → 6, 8×8 in A and conv2 is 4 → 5, 8×8 in B"),
    "smaller map": (dict(images=(1, 7, 8)), "conv1 is 3 → 4, 8×8 in A and conv1 is 3 → 4, 7×8"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), OTHERS.values(), ids=OTHERS)
def test_what_is_not_comparable(seed, place, tmp_path, change, message):
    base, other = report_of(seed)[0], report_of(seed, **change)[0]
    refused(tmp_path, message, place("a", base), place("b", other))


def test_runs_that_are_no_basis(seed, place, tmp_path):
    good = place("good", report_of(seed)[0])
    partial = place("partial", report_of(seed, asked=9)[0])
    refused(tmp_path, r"partial/report.json: is partial, 3 of 9 images: run it again: python",
            good, partial)  # fmt: skip
    refused(tmp_path, "is partial", partial, good)
    wrong = place("wrong", report_of(seed, differing=[1])[0])
    refused(tmp_path, "wrong/report.json: 1 values differ from the golden model", good, wrong)
    slow = place("slow", report_of(seed, slow=1)[0])
    refused(tmp_path, "cycle counts are not as predicted, image 1, layer conv1", good, slow)


BROKEN = {
    "half": ('{"layers": [', "is damaged: no JSON in it"),
    "no object": ("[1, 2]", "is no report of sim.run"),
    "another report": ('{"board": "arty_a7"}', "is no report of sim.run"),
    "odd layers": (
        '{"layers": 3, "total_cycles": 1, "mismatches": 0, "pixels": 1}',
        "its layers are no list",
    ),
    "no layers": ('{"layers": [], "total_cycles": 1, "mismatches": 0, "pixels": 1}', "older"),
    "not text": ("\ud800", "is damaged"),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_files(seed, place, tmp_path, text, message):
    good, bad = place("good", report_of(seed)[0]), place("bad", "")
    (bad / "report.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    refused(tmp_path, f"bad/report.json: .*{message}", good, bad)


@pytest.mark.parametrize("key", ["lanes", "asked_images", "clock_mhz"])
def test_older_reports(seed, place, tmp_path, key):
    report, _ = report_of(seed)
    message = f"of an older version .it lacks {key}.: run it again: python -m sim.run"
    refused(tmp_path, message, place("good", report), place("old", without(report, key)))
    report["layers"][1] = without(report["layers"][1], "bound")
    refused(tmp_path, "older version .it lacks bound", place("older", report), tmp_path / "good")


def test_missing_files_and_folders(seed, place, tmp_path):
    good = place("good", report_of(seed)[0])
    refused(tmp_path, "nowhere: cannot be read: No such file", good, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    refused(tmp_path, "empty/report.json: cannot be read", good, tmp_path / "empty")
    refused(tmp_path, "1 report given: name 2 to 8", good)
    refused(tmp_path, "9 reports given: name 2 to 8 of them", *[good] * 9)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        main([str(good), str(good), "--out", str(tmp_path / "file" / "out")])


def test_clocks_may_differ(seed, place, tmp_path):
    report, _ = report_of(seed)
    fast = replace_keys(report, clock_mhz=200.0)
    found = compare(tmp_path / "out", place("a", report), place("b", fast))
    assert "Times and rates are each at the report's own clock." in found["notes"]
    assert found["different"] == ["clock_mhz"]
