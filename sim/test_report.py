"""A report says what the simulation showed, the same in every form."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from hw.compiler import compile_network
from hw.cycles import predict, total_cycles
from hw.traffic import traffic
from model.errors import UserError
from sim.report import FIGURES, Setup, build_report, prepare_folder, terminal_tables, write_report
from sim.report.files import json_text
from sim.report.page import page
from sim.report.paper import figures
from sim.report.pictures import png_text
from sim.report.series import name_ranges, roof_points
from sim.report.text import bar, markdown
from sim.report.words import cycles_sentence, si
from sim.synthetic import random_images, random_network
from sim.synthetic_outcome import predicted_outcome

ANSWERS = [3, 1, 4, 1, 5, 9]
SETUP = Setup("tiny", "digits", "shared", 8, 4, 2, 7, 11, True, "python -m sim.run --model tiny")


@pytest.fixture
def program(seed):
    network = random_network(seed, channels=(4, 6), pools=("max2", "none"))
    return compile_network(network, pixels=8, channels=4, fill=2)


@pytest.fixture
def make(seed, program):
    """Builds a report of a made-up run; ``labels`` None, or those of `ANSWERS` changed."""

    def make(answers=ANSWERS, labels=ANSWERS, setup=SETUP, program=program, **what):
        images = random_images(seed, program.network, len(answers))
        outcome = predicted_outcome(program, answers, **what)
        labels = None if labels is None else np.array(labels)
        return build_report(setup, program, outcome, images, labels, 2.0, prepare_seconds=0.5)

    return make


def test_of_a_faultless_run(make, program):
    report = make(labels=[3, 1, 4, 0, 5, 8])
    assert report == json.loads(json_text(report))
    contract = ("model", "array", "pixels", "channels", "images", "mismatches", "asked_images",
                "partial", "first_image", "seed", "stalls", "fill", "engine")  # fmt: skip
    assert [report[key] for key in contract] == [
        "tiny", "shared", 8, 4, 6, 0, 6, False, 7, 11, True, 2, "python",
    ]  # fmt: skip
    assert report["accuracy"] == pytest.approx(4 / 6)
    assert report["total_cycles"] == report["predicted_cycles"] == total_cycles(program)
    rows = predict(program)
    for layer, row in zip(report["layers"], rows, strict=True):
        for key in ("name", "kind", "cycles", "useful", "fill", "drain", "stall", "macs"):
            assert layer[key] == getattr(row, key)
        assert layer["predicted"] == row.cycles
        parts = ("useful", "fill", "drain", "stall")
        assert sum(layer[key] for key in parts) == layer["cycles"]
    conv1, conv2, head = report["layers"]
    shape = ("c_in", "c_out", "height", "width", "pool", "tau")
    assert [conv1[key] for key in shape] == [3, 4, 8, 8, "max2", 5]
    assert [conv2[key] for key in shape] == [4, 6, 4, 4, "none", 5]
    assert [head[key] for key in shape] == [6, 10, 4, 4, None, None]
    # All lanes and 3 of 4 channels have work; an index word goes out in the useful cycles.
    assert conv1["lane_use"] == pytest.approx(0.75 * conv1["useful"] / conv1["cycles"], abs=1e-4)
    assert head["lane_use"] is None and head["bound"] is None
    interval = report["interval_cycles"]
    assert interval == max(rows[0].cycles + rows[1].cycles, program.load_cycles)
    assert report["images_per_second"] == pytest.approx(100e6 / interval, abs=0.1)
    assert report["latency_us"] == pytest.approx(report["first_result_cycles"] / 100)
    assert sum(layer["index_bits_stored"] for layer in report["layers"]) == report["stored_bits"]
    assert report["index_bits_read"] == sum(row.index_bits_read for row in traffic(program))
    assert report["speed"]["images_per_second"] == 4.0
    assert {"python", "amaranth", "numpy"} == set(report["versions"])


def test_clock_and_limit(make, program):
    report = make(setup=replace(SETUP, clock_mhz=50.0))
    assert report["images_per_second"] == pytest.approx(50e6 / report["interval_cycles"], abs=0.1)
    assert report["limit"] == "computing"
    # 64 pixels take longer to load than one layer of one output channel to compute.
    small = random_network(0, image=(1, 8, 8), channels=(1,), pools=("none",))
    report = make(program=compile_network(small, array="direct", pixels=64, channels=4))
    assert report["limit"] == "loading"
    assert sum(report["lanes"]["idle"]) > 0


def test_answers_and_pictures(make, seed, program):
    report = make(labels=[3, 1, 4, 0, 5, 8], differing=[4])
    assert report["misclassified"] == 2 and report["differing_images"] == 1
    matrix = np.array(report["confusion"])
    assert matrix.sum() == 6 and matrix[0, 1] == matrix[8, 9] == 1
    assert report["class_accuracy"][0] == 0 and report["class_accuracy"][3] == 1
    assert report["class_accuracy"][7] is None
    shown = [[p["image"], p["label"], p["answer"], p["differs"]] for p in report["pictures"]]
    assert shown == [[10, 0, 1, False], [11, 5, 5, True], [12, 8, 9, False]]
    images = random_images(seed, program.network, 6)
    assert np.array_equal(decoded(report["pictures"][0]["png"]), images[3, 0])


def decoded(text):
    """Pixels of a picture, uint8."""
    return np.rint(255 * imread(io.BytesIO(base64.b64decode(text)))).astype(np.uint8)


def test_pictures_are_few(make):
    report = make(answers=[1] * 60, labels=[2] * 60, differing=list(range(0, 60, 2)))
    assert report["misclassified"] == 60 and report["differing_images"] == 30
    assert len(report["pictures"]) == 36
    assert sum(picture["differs"] for picture in report["pictures"]) == 24


def test_coloured_pictures(seed):
    colours = np.random.default_rng(seed).integers(0, 256, (3, 5, 7)).astype(np.uint8)
    assert np.array_equal(decoded(png_text(colours)), colours.transpose(1, 2, 0))


def test_without_labels(make):
    report = make(labels=None)
    for key in ("accuracy", "confusion", "class_accuracy", "misclassified"):
        assert report[key] is None
    assert report["pictures"] == []
    assert "without labels" in markdown(report)
    text = page(report)
    assert "<img" not in text and "no labels" in text
    assert "misclassified.png" not in figures(report)


def test_partial(make):
    report = make(asked=50)
    assert report["partial"] and report["asked_images"] == 50 and report["images"] == 6
    assert "**PARTIAL: ended after 6 of 50 images**" in markdown(report)
    assert "Partial: the run ended after 6 of the 50 images" in page(report)
    assert "Partial" not in page(make())


def test_differences_come_first(make):
    report = make(differing=[1, 3], slow=2)
    assert report["mismatches"] == 2
    text = report["first_difference"]["text"]
    assert text == "image 1, layer conv1: channel 0, row 1, column 2: expected +1, found -1"
    assert f"**first difference: {text}**" in markdown(report)
    shown = page(report)
    assert text in shown and "Wrong: 2 of 6,000 values differ" in shown
    only_slow = make(slow=2)
    assert only_slow["cycle_problems"][0].startswith("image 2, layer conv1: cycles: predicted")
    assert "2 cycle counts are not as predicted" in markdown(only_slow)
    assert only_slow["cycle_problems"][0] in page(only_slow)


def test_a_single_image_has_no_interval(make):
    report = make(answers=[3], labels=[3])
    assert report["interval_cycles"] is None
    assert report["useful_share"] == pytest.approx(
        sum(row["useful"] for row in report["layers"]) / report["total_cycles"], abs=1e-4
    )
    assert report["lanes"]["whole"]
    # It ends with its result, not with the beginning of another image.
    assert report["lanes"]["cycles"] == report["total_cycles"]
    assert "by one image" in markdown(report)


def test_a_timeline_that_ends_early(make, program):
    first = program.load_cycles
    report = make(timeline=first + 40)
    assert not report["lanes"]["whole"] and report["lanes"]["cycles"] == 40
    assert "as far as it was recorded" in page(report)
    nothing = make(timeline=first)
    assert nothing["lanes"] is None
    assert "over time" not in page(nothing) and "lanes.png" not in figures(nothing)


def page_rows(text):
    """Rows of all tables of a page, as lists of texts without tags."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", " ", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in rows
    ]


def test_page_and_markdown_show_the_same_numbers(make):
    report = make(labels=[3, 1, 4, 0, 5, 8])
    text, shown = markdown(report), page(report)
    rows = page_rows(shown)
    for layer in report["layers"]:
        numbers = [f"{layer[key]:,}" for key in ("cycles", "predicted", "useful", "fill", "drain",
                                                 "stall")]  # fmt: skip
        assert f"| {layer['name']} | {' | '.join(numbers)} |" in text
        assert any(row[:7] == [layer["name"], *numbers] for row in rows)
        assert f"| {layer['index_bits_read']:,} | {layer['activation_bits_read']:,} |" in text
    assert cycles_sentence(report) in text and cycles_sentence(report) in shown
    assert report["command"] in text and report["command"] in shown
    assert f"{report['images_per_second']:,.0f}" in shown
    assert "66.67%" in shown and "2 of 6 wrong" in shown


def test_bars_of_the_page_are_the_cycles(make):
    report = make()
    longest = max(layer["cycles"] for layer in report["layers"])
    shown = page(report)
    for layer in report["layers"]:
        for phase in ("useful", "fill", "drain", "stall"):
            if layer[phase]:
                width = f"{100 * layer[phase] / longest:.3f}%"
                assert f'class="c-{phase}" style="width:{width}"' in shown


def test_page_stands_alone_and_escapes(make):
    odd = replace(SETUP, model="<b>a&b</b>", command="python -m sim.run --model '<b>a&b</b>'")
    report = make(labels=[0] * 6, setup=odd)
    report["layers"][0]["name"] = 'x<script>&"'
    shown = page(report)
    assert "<b>" not in re.sub(r"<b style=[^>]*>|<b></b>", "", shown).replace("</b>", "")
    assert "<script" not in shown
    assert "&lt;b&gt;a&amp;b&lt;/b&gt;" in shown and "x&lt;script&gt;&amp;" in shown
    for word in ("http", "@import", "url(", "src=\"/", "<link"):
        assert word not in shown
    assert all(source.startswith("data:image/png") for source in re.findall(r'src="([^"]+)', shown))
    markdown(report)


def test_terminal(make):
    report = make()
    for width in (60, 80, 100, 140):
        console = Console(file=io.StringIO(), width=width)
        for table in terminal_tables(report, width):
            console.print(table)
        shown = console.file.getvalue()
        for word in ("conv1", "one image", f"{report['total_cycles']}"):
            assert word in shown
        assert ("█" in shown) == (width >= 96)


@pytest.mark.parametrize("width", [1, 7, 48])
def test_bars_of_signs(width):
    layer = {"cycles": 1000, "useful": 990, "fill": 4, "drain": 3, "stall": 3}
    parts = bar(layer, 1000, width)
    assert [phase for phase, _ in parts] == ["useful", "fill", "drain", "stall"]
    assert sum(count for _, count in parts) == width
    assert min(count for _, count in parts) >= 0
    assert sum(count for _, count in bar(layer, 4000, width)) == -(-width // 4)


def test_files_are_those_of_this_run_alone(make, tmp_path):
    folder = tmp_path / "a" / "b"
    prepare_folder(folder)
    (folder / "mine.txt").write_text("")
    report = make(labels=[0] * 6)
    write_report(report, folder)
    assert json.loads((folder / "report.json").read_text()) == report
    assert (folder / "report.md").read_text() == markdown(report) + "\n"
    names = {path.name for path in folder.iterdir()}
    assert names == {"report.json", "report.md", "report.html", *FIGURES, "mine.txt"}
    for name in FIGURES:
        assert imread(folder / name).shape[1] > 1000
    prepare_folder(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    write_report(make(asked=7), folder)
    assert not list(folder.glob("*.png"))


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/sub cannot be written .Not a directory"):
        prepare_folder(tmp_path / "file" / "sub")


def test_many_layers(seed):
    """35 layers of few shapes: places in the roofline are shared, nothing is left out."""
    network = random_network(seed, channels=(4,) * 34, pools=("none",) * 34, tau=3)
    program = compile_network(network, pixels=8, channels=4)
    report = build_report(SETUP, program, predicted_outcome(program, [0, 1]),
                          random_images(seed, network, 2), None, 1.0)  # fmt: skip
    points = roof_points(report)
    assert len(points) <= 2 and "conv34" in points[-1].label
    shown = page(report)
    assert all(f">conv{n + 1}<" in shown for n in range(34))
    assert len(markdown(report).splitlines()) > 2 * 35


def test_names_and_numbers_in_short():
    names = [f"conv{n}" for n in range(9)]
    plain = [name_ranges(names, places).replace("\u2060", "") for places in
             ([0], [0, 1], [0, 1, 2, 4], [0, 2, 3, 4, 5, 7, 8])]  # fmt: skip
    assert plain == [
        "conv0", "conv0, conv1", "conv0–conv2, conv4", "conv0, conv2–conv5, conv7, conv8",
    ]  # fmt: skip
    shown = [si(n) for n in (0, 7, 999, 1000, 1234, 131_926, 999_499, 999_600, 2.5e9)]
    assert shown == ["0", "7", "999", "1 k", "1.23 k", "132 k", "999 k", "1 M", "2.5 G"]
