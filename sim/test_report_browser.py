"""The pages in a real browser: nothing is wider than a phone, nothing is asked of the network."""

import html
import re
import shutil
import subprocess

import numpy as np
import pytest

from hw.compiler import compile_network
from sim.compare.data import build_comparison
from sim.compare.page import page as compare_page
from sim.report import Setup, build_report
from sim.report.page import page
from sim.synthetic import random_images, random_network
from sim.synthetic_outcome import predicted_outcome

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTHS = (390, 768, 1440)
SECONDS = 60
LONG = "a-network-of-a-very-long-name_" * 5


@pytest.fixture(scope="module")
def browser():
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found:
        pytest.skip("no Chromium here")
    return found


def report_of(seed, layers, array):
    network = random_network(seed, channels=(4,) * layers, pools=("none",) * layers, tau=3)
    program = compile_network(network, array=array, pixels=16, channels=4)
    setup = Setup(LONG, "digits", array, 16, 4, program.parameters.fill, 0, 0, True,
                  f"python -m sim.run --model {LONG}")  # fmt: skip
    outcome = predicted_outcome(program, [1, 2, 3, 4], asked=9, differing=[2])
    images = random_images(seed, network, 4)
    return build_report(setup, program, outcome, images, np.array([1, 2, 0, 0]), 1.0)


def test_pages_fit_phone_and_desktop(seed, browser, tmp_path):
    """Each page in a frame of each width, asked by a script around it how wide it is."""
    reports = [report_of(seed, 18, array) for array in ("shared", "direct")]
    reports.append(report_of(seed, 1, "direct"))
    pages = [page(report) for report in reports]
    pages.append(compare_page(build_comparison(reports[:2], [LONG, LONG], "python")))
    frames = "".join(
        f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{html.escape(text)}">'
        "</iframe>"
        for text in pages
        for width in WIDTHS
    )
    script = (
        "onload=()=>{document.body.innerHTML=[...document.querySelectorAll('iframe')].map(f=>{"
        "const d=f.contentDocument,e=d.documentElement;"
        "return [e.clientWidth,e.scrollWidth,d.querySelectorAll('h2').length].join()}).join(' ')}"
    )
    place = tmp_path / "frames.html"
    place.write_text(f"<!doctype html><meta charset=utf-8><body>{frames}<script>{script}</script>")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
         "--dump-dom", place.as_uri()],
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    shown = re.findall(r"\d+,\d+,\d+", done.stdout.partition("<body>")[2])
    measured = [tuple(map(int, entry.split(","))) for entry in shown]
    assert len(measured) == len(pages) * len(WIDTHS), done.stdout[-500:] + done.stderr[-2000:]
    for number, (client, scroll, headings) in enumerate(measured):
        wanted = WIDTHS[number % len(WIDTHS)]
        # A scroll bar beside the page takes some of its width.
        assert wanted - 20 <= client <= wanted
        assert scroll <= client, f"page {number // len(WIDTHS)} at {wanted} px is {scroll} wide"
        assert headings >= 5
    assert "CONSOLE" not in done.stderr, done.stderr
