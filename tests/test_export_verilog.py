"""The engine as Verilog: its own test bench runs it, and notices what is wrong."""

import subprocess

import pytest

from hw.export_verilog.__main__ import main
from hw.export_verilog.memory_files import into_files
from model.errors import UserError
from model.format import save
from sim.compiled.toolchain import find_toolchain, missing
from sim.synthetic import random_network

RUNTIME = ("verilated.cpp", "verilated_timing.cpp", "verilated_threads.cpp")


def bench(folder, module: str) -> str:
    """What the test bench prints."""
    tools = find_toolchain()
    sources = [f"{module}_tb.v", f"{module}.v"]
    options = ["--cc", "--main", "--exe", "--timing", "-Wno-fatal", "-Wno-lint", "--Mdir", "obj"]
    top = ["--top-module", f"{module}_tb", "--prefix", "Vtb"]
    run = {"cwd": folder, "check": True, "capture_output": True, "text": True}
    subprocess.run([tools.verilator, *options, *top, *sources], **run)
    include = [f"-I{place}" for place in (tools.include, tools.include / "vltstd", "obj")]
    made = [str(file) for file in sorted((folder / "obj").glob("*.cpp"))]
    made += [str(tools.include / name) for name in RUNTIME]
    flags = ["-std=c++20", "-fcoroutines", "-O0", "-w"]
    subprocess.run([tools.compiler, *flags, *include, *made, "-o", "tb", "-lpthread"], **run)
    return subprocess.run(["./tb"], **run).stdout


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason="no Verilator or C++ compiler")
def test_the_bench_checks_the_engine(seed, tmp_path):
    """Right as it is; with one bit of a memory, and with one expected result changed, wrong."""
    save(random_network(seed, image=(1, 6, 6), channels=(4, 6)), tmp_path / "n.safetensors")
    out = tmp_path / "out"
    shape = ("--pixels", "8", "--channels", "2", "--index-port", "16", "--images", "3")
    options = ("--model", str(tmp_path / "n.safetensors"), *shape, "--seed", str(seed))
    assert main([*options, "--name", "mine", "--out", str(out)]) == 0
    assert "PASS: 3 images" in bench(out, "mine")
    run = {"cwd": out, "check": True, "capture_output": True, "text": True}
    weights = (out / "weights.hex").read_text().split()
    changed = [f"{int(word, 16) ^ 0x40:x}" for word in weights]
    (out / "weights.hex").write_text("\n".join(changed) + "\n")
    assert "FAIL: " in subprocess.run(["./tb"], **run).stdout
    (out / "weights.hex").write_text("\n".join(weights) + "\n")
    assert "PASS" in subprocess.run(["./tb"], **run).stdout
    results = (out / "results.hex").read_text().split()
    results[1] = f"{int(results[1], 16) ^ 1 << 20:x}"
    (out / "results.hex").write_text("\n".join(results) + "\n")
    text = subprocess.run(["./tb"], **run).stdout
    assert "image 1: class" in text and "FAIL: 1 of 3 images differ" in text


def test_contents_go_into_files():
    verilog = """
  reg [4:0] rom [2:0];
  initial begin
    rom[0] = 5'h0a;
    rom[1] = 5'h1f;
    rom[2] = 5'h00;
  end
  reg [3:0] ram [1:0];
  initial begin
    ram[0] = 4'h0;
    ram[1] = 4'h0;
  end
"""
    text, files = into_files(verilog)
    assert files == {"rom.hex": "0a\n1f\n00\n"}
    assert 'initial $readmemh("rom.hex", rom);' in text and "5'h1f" not in text
    assert "ram[1] = 4'h0" in text


@pytest.mark.parametrize(
    "options, message",
    [
        (["--name", "1bad"], "'1bad' is no name"),
        (["--images", "0"], "--images must be at least 1"),
        (["--array", "none"], "invalid choice: 'none'"),
        (["--model", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--fill", "3"], "fill must divide the 16 channels"),
    ],
)
def test_refusals(options, message, tmp_path):
    with pytest.raises(UserError, match=message):
        main([*options, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
