"""``python -m sim.demo``: the whole path on real images, as three commands one after the other.

Trains a network on the digits that come with the project, runs it through the accelerator's RTL
against the golden model, builds it for a board, and sums up. Everything lands in --out. Each step
is an ordinary command of this project, shown before it runs; the first that fails ends the demo
with its exit status.
"""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from model import bits
from model.errors import UserError, run_command
from model.format import load
from sim.compiled.toolchain import missing

__all__ = ["main"]

FEW_IMAGES = "5"  # what Amaranth's simulator does in seconds
PATIENCE_SECONDS = 60  # for a step to save its work and end after Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; returns the status of the first step that failed, or 0."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    out = options.out
    training = ["model.train", "--dataset", "digits", "--bits", options.bits, "--restart"]
    training += ["--out", str(out)]
    if options.epochs is not None:
        training += ["--epochs", str(options.epochs)]
    if status := _step(console, "1 of 3: train and export", training):
        return status
    metrics = _read(out / "metrics.json")
    model = metrics["export"]
    # A plainly binary network has no codebook whose responses could be shared.
    engine = ["--array", "direct" if options.bits == "1" else "shared"]
    for name in ("pixels", "channels"):
        if getattr(options, name) is not None:
            engine += [f"--{name}", str(getattr(options, name))]
    images = options.images or ("all" if missing() is None else FEW_IMAGES)
    simulation = ["sim.run", "--model", model, "--images", images, *engine]
    simulation += ["--tensors", "--out", str(out / "sim")]
    if status := _step(console, "2 of 3: simulate the RTL against the golden model", simulation):
        return status
    building = ["hw.build", "--board", options.board, "--model", model, *engine]
    building += ["--out", str(out / options.board)]
    if status := _step(console, f"3 of 3: build for {options.board}", building):
        return status
    simulated = _read(out / "sim" / "report.json")
    built = _read(out / options.board / "report.json")
    console.rule("What came out")
    console.print(_summary(metrics, simulated, built))
    pages = [out / "sim" / "report.html", out / options.board / "report.md"]
    console.print("Reports: " + ", ".join(map(str, pages)), soft_wrap=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.demo",
        usage="%(prog)s [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--bits", default="0.56", help="bits a weight, as in model.train (default: 0.56)")
    add("--epochs", type=int, help="epochs of training (default: as in model.train)")
    add("--images", metavar="N|all",
        help=f"images to simulate (default: all; {FEW_IMAGES} without a C++ compiler)")  # fmt: skip
    add("--board", default="arty_a7", help="board to build for (default: arty_a7)")
    add("--pixels", type=int, help="lanes (default: as in sim.run, and the most that fits)")
    add("--channels", type=int, help="input channels at once (default: the same)")
    add("--out", type=Path, default=Path("runs/demo"), help="output folder (default: runs/demo)")
    return parser


def _step(console: Console, title: str, arguments: list[str]) -> int:
    """Run ``python -m`` with the arguments under a heading; its exit status."""
    console.rule(title)
    console.print("$ python -m " + shlex.join(arguments), soft_wrap=True, markup=False)
    process = subprocess.Popen([sys.executable, "-m", *arguments])
    try:
        status = process.wait()
    except KeyboardInterrupt:
        # The step got the Ctrl-C too and may have work to save.
        try:
            status = process.wait(PATIENCE_SECONDS) or 130
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            process.kill()
            status = 130
    return status if status >= 0 else 128 - status


def _read(path: Path) -> dict:
    """A step's report; raises UserError when it cannot be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


def _summary(metrics: dict, simulated: dict, built: dict) -> Table:
    """What the three steps found out, a line each."""
    network = load(metrics["export"])
    binary = sum(bits.TAPS * conv.c_in * conv.c_out for conv in network.convs)
    stored = metrics["stored_bits"]
    lut = built["resources"]["lut"]
    rows = [
        ("test accuracy", f"{metrics['test_accuracy']:.2%} of {metrics['test_images']} images"),
        ("weights", f"{stored:,} bits ({stored / binary:.0%} of the {binary:,} at 1 bit each)"),
        ("exported file", f"{metrics['export']}, {metrics['file_bytes']:,} bytes"),
        ("engine simulated", _shape(simulated)),
        ("RTL against golden model", f"{simulated['mismatches']} differences in every tensor of "
         f"{simulated['images']} images"),
        ("cycles an image", f"{simulated['total_cycles']:,} simulated, "
         f"{simulated['predicted_cycles']:,} predicted"),
        ("engine built", _shape(built["parameters"])),
        (built["part"], f"{lut['used']:,} of {lut['available']:,} LUTs ({built['stage']})"),
        ("pace", f"{built['images_per_second']:,.0f} images/s at {built['clock_mhz']:g} MHz, "
         f"{built['cycles_per_image']:,} cycles each"),
    ]  # fmt: skip
    table = Table(box=None, show_header=False)
    for row in rows:
        table.add_row(*row)
    return table


def _shape(engine: dict) -> str:
    return f"{engine['array']} array, {engine['pixels']} pixels x {engine['channels']} channels"


if __name__ == "__main__":
    run_command(main)
