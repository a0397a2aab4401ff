"""``python -m model.results``: docs/results.md, made from the metrics of the shipped networks.

``--check`` writes nothing and says whether the page is up to date (exit status 1 where not).
"""

import argparse
import json
from pathlib import Path

from model import shipped
from model.errors import CheckError, OneLineParser, UserError, run_command
from model.files import write_text
from model.training.files import METRICS

__all__ = ["PAGE", "main", "page", "read_metrics"]

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
# What a table shows of a network's metrics.
NEEDED = (
    "command", "dataset", "bits", "codebook", "net", "epochs", "seed", "test_accuracy",
    "float_accuracy", "test_images", "disagreements", "stored_bits", "bit_ops",
    "kernel_applications", "file_bytes", "seconds",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or check it; returns the exit status. Raises UserError and CheckError."""
    parser: argparse.ArgumentParser = OneLineParser(
        prog="python -m model.results",
        description="Make docs/results.md from the metrics of the shipped networks.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; is it up to date?")
    options = parser.parse_args(arguments)
    text = page()
    if not options.check:
        write_text(PAGE, text)
        print(f"{PAGE}: {len(shipped.names())} networks")
    elif not PAGE.is_file() or PAGE.read_text("utf-8") != text:
        raise CheckError(f"{PAGE} is not what python -m model.results makes: run it")
    return 0


def read_metrics(path: Path) -> dict:
    """The metrics of a run; UserError where they are not all there."""
    try:
        metrics = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path}: is damaged: not JSON") from error
    missing = [name for name in NEEDED if not isinstance(metrics, dict) or name not in metrics]
    if missing:
        raise UserError(f"{path}: says nothing of {missing[0]}; it is not of a network that ships")
    return metrics


def page() -> str:
    """The text of docs/results.md."""
    found = {n: read_metrics(shipped.FOLDER / f"{n}.{METRICS}") for n in shipped.names()}
    size = sum(metrics["file_bytes"] for metrics in found.values())
    lines = [
        "# Trained networks that come with the package",
        "",
        "Made by `python -m model.results` from `model/shipped_networks/*.metrics.json`, which the",
        "training command wrote; do not edit. Every network is usable by its name wherever a model",
        f"is asked for (`--model {next(iter(found), 'NAME')}`). "
        f"The {len(found)} files take {size:,} bytes together.",
        "",
        "| name | net | bits a weight | codebook | test accuracy | images |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | `{m['net']}` | {m['bits']} | {m['codebook']} "
        f"| {100 * m['test_accuracy']:.2f} % | {m['test_images']:,} |"
        for name, m in found.items()
    ]
    lines += [
        "",
        "The accuracy is that of the integer network in the file, which the accelerator computes",
        "bit for bit, on every test image; classes differ from the float network's on:",
        "",
        "| name | float network | classes that differ | bits of indices | Bit-OPs an image "
        "| kernel applications | bytes on disk |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {100 * m['float_accuracy']:.2f} % | {m['disagreements']} "
        f"| {m['stored_bits']:,} | {m['bit_ops']:,} | {m['kernel_applications']:,} "
        f"| {m['file_bytes']:,} |"
        for name, m in found.items()
    ]
    lines += ["", "## How each was trained", ""]
    for name, m in found.items():
        lines += [f"`{name}`, {m['epochs']} epochs, {m['seconds']:,.0f} s{_where(m)}:", ""]
        lines += ["```sh", _command(m), "```", ""]
    lines += [
        "Seconds are those of one run on a machine that did other work as well. A run with",
        "`--threads 1` repeats bit for bit on the same processor with the same torch; elsewhere",
        "floats round otherwise, and accuracies differ as between seeds.",
    ]
    return "\n".join(lines) + "\n"


def _where(metrics: dict) -> str:
    precision = metrics.get("config", {}).get("precision", "float32")
    return f" of training in {precision} with torch {metrics['torch']}"


def _command(metrics: dict) -> str:
    """The command, with the place of the data, which the metrics leave out."""
    return metrics["command"] + ("" if metrics["dataset"] == "digits" else " --data DIR")


if __name__ == "__main__":
    run_command(main)
