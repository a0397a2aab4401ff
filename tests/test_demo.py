"""The demo, from images to a netlist, at its shortest: one epoch, one image, a small array."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_whole_path(tmp_path):
    short = ["--epochs", "1", "--images", "1", "--pixels", "8", "--channels", "4"]
    done = subprocess.run(
        [sys.executable, "-m", "sim.demo", *short],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "Warning" not in done.stderr
    out = tmp_path / "runs" / "demo"
    simulated = json.loads((out / "sim" / "report.json").read_text("utf-8"))
    built = json.loads((out / "arty_a7" / "report.json").read_text("utf-8"))
    assert simulated["mismatches"] == 0
    assert simulated["total_cycles"] == simulated["predicted_cycles"]
    summary = done.stdout.split("What came out")[1]
    assert "0 differences" in summary
    assert f"{built['cycles_per_image']:,} cycles each" in summary
    assert "33,280 bits (56% of the 59,904 at 1 bit each)" in summary
