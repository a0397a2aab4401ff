"""Makes a sub-bit network of a trained 1-bit one.

    python -m model.convert runs/digits-1 --bits 0.56 --epochs 5 --out runs/converted

Each layer's codebook are the kernels that it uses most (with --antipodal, the pairs of k and -k),
and each kernel becomes its nearest codeword. SOURCE is one of

    checkpoint of model.train, or its folder: accuracy before and after, with --epochs also after
        training on, and the exported network
    exported network: the same without training
    3x3 weights, [c_out, c_in, 3, 3], in a safetensors file or a state dict saved by torch: codebook
        and indices of each tensor as NAME.codebook and NAME.indices in weights.safetensors

Nothing in a file is executed. Prints, and writes into convert.json, how many kernels stayed as they
were, and by how many taps of 9 they differ on average.
"""

import argparse
import dataclasses
import fnmatch
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from safetensors.numpy import save as save_tensors

from model import datasets
from model.codebooks import TAU_OF_BITS, tau_of
from model.convert.exported import accuracy, convert_network
from model.convert.kernels import Converted, convert_layer
from model.errors import UserError, run_command
from model.files import make_folder, write_text, write_whole
from model.format import SUFFIX, save
from model.network import Network

__all__ = ["main"]

REPORT, WEIGHTS = "convert.json", "weights.safetensors"
SUB_BITS = tuple(b for b in TAU_OF_BITS if b != "1")
# Of the table, where there is no terminal to ask.
LINE_WIDTH = 100
# Share of the rate it was trained with: the weights are in place, only their kernels are not.
RATE_SHARE = 0.3


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m model.convert``; UserError for files that cannot be used."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    if options.epochs < 0:
        raise UserError(f"--epochs {options.epochs} must be at least 0")
    if options.rate is not None and not 0 < options.rate < float("inf"):
        raise UserError(f"--rate {options.rate:g} must be above 0")
    from model.convert.source import Trained, read_source

    source = read_source(options.source)
    trained = isinstance(source, Trained)
    for option in ("epochs", "learn"):
        if getattr(options, option) and not trained:
            raise UserError(f"--{option}: {options.source} is no checkpoint to train on from")
    if options.layers != "*" and not isinstance(source, dict):
        raise UserError("--layers is for weights alone; a whole network converts as a whole")
    home = options.source if options.source.is_dir() else options.source.parent
    if options.out.resolve() == home.resolve():
        raise UserError(f"--out {options.out} is where the source lies: choose another folder")
    make_folder(options.out)
    # A report is written last, so that one that is there tells of the other files.
    (options.out / REPORT).unlink(missing_ok=True)
    facts = {
        "command": shlex.join(["python", "-m", "model.convert", *given]),
        "bits": options.bits,
        "codebook": "antipodal-frequent" if options.antipodal else "frequent",
        "learnt": options.learn,
    }
    if trained:
        layers, figures = _checkpoint(source, options, facts)
    elif isinstance(source, Network):
        layers, figures = _exported(source, options, facts)
    else:
        layers, figures = _weights(source, options, facts)
    width = None if sys.stdout.isatty() else LINE_WIDTH
    console = Console(highlight=False, soft_wrap=True, width=width)
    console.print(_table(layers))
    for name, value in figures.items():
        console.print(f"{name.replace('_', ' ')}: {100 * value:.2f} %")
    report = facts | figures | {"layers": [layer.plain() for layer in layers]}
    write_text(options.out / REPORT, json.dumps(report, indent=2) + "\n")
    console.print(f"results: {options.out}")


def _checkpoint(source, options: argparse.Namespace, facts: dict) -> tuple[list, dict]:
    import torch

    from model.convert.tuned import convert_net, fine_tune, measured, restored

    torch.set_num_threads(source.config.threads)
    config = source.config
    net = restored(source, str(options.source))
    train, test = (datasets.load(config.dataset, options.data, s) for s in datasets.SPLITS)
    figures = {"accuracy_before": measured(net, config, test, {})[1]}
    kind = ("antipodal-" if options.antipodal else "") + (
        "refined" if options.learn else "frequent"
    )
    layers = convert_net(net, tau_of(options.bits), kind)
    network, figures["accuracy_converted"] = measured(net, config, test, {})
    if options.epochs:
        rate = options.rate or RATE_SHARE * config.rate
        config = dataclasses.replace(
            config, bits=options.bits, codebook=kind, epochs=options.epochs, rate=rate
        )
        fine_tune(net, config, train, test, options.out)
        network, figures["accuracy_fine_tuned"] = measured(net, config, test, {})
    provenance = facts | {
        "dataset": config.dataset,
        "net": config.net,
        "seed": config.seed,
        "epochs": options.epochs,
        "test_accuracy": list(figures.values())[-1],
    }
    network = dataclasses.replace(network, provenance=provenance)
    save(network, options.out / f"{network.name}{SUFFIX}")
    return layers, figures


def _exported(source: Network, options: argparse.Namespace, facts: dict) -> tuple[list, dict]:
    known = source.provenance.get("dataset")
    provenance = facts | {"before": source.provenance}
    if known in datasets.NAMES:
        provenance["dataset"] = known
    network, layers = convert_network(
        source, tau_of(options.bits), options.antipodal, provenance
    )
    figures = {}
    if known in datasets.NAMES and (options.data is not None or known == "digits"):
        test = datasets.load(known, options.data, "test")
        figures["accuracy_before"] = accuracy(source, test.images, test.labels)
        figures["accuracy_converted"] = accuracy(network, test.images, test.labels)
        provenance["test_accuracy"] = figures["accuracy_converted"]
    else:
        print("accuracy is not measured: the file names no data set, or --data is not given")
    save(network, options.out / f"{network.name}{SUFFIX}")
    return layers, figures


def _weights(
    source: dict[str, np.ndarray], options: argparse.Namespace, facts: dict
) -> tuple[list, dict]:
    names = fnmatch.filter(source, options.layers)
    if not names:
        raise UserError(
            f"--layers {options.layers!r} fits none of the 3x3 weights: {', '.join(source)}"
        )
    tau = tau_of(options.bits)
    layers = [convert_layer(name, source[name], tau, options.antipodal) for name in names]
    tensors = {}
    for layer in layers:
        tensors[f"{layer.name}.codebook"] = layer.codebook
        tensors[f"{layer.name}.indices"] = layer.indices
    texts = {key: str(value) for key, value in facts.items()} | {"tau": str(tau)}
    blob = save_tensors(tensors, texts)
    write_whole(options.out / WEIGHTS, lambda file: file.write(blob))
    return layers, {}


def _table(layers: list[Converted]) -> Table:
    table = Table("layer", "channels", "kernels kept", "taps changed of 9")
    for layer in layers:
        c_out, c_in = layer.indices.shape
        table.add_row(
            layer.name, f"{c_in} → {c_out}", f"{100 * layer.kept:.1f} %", f"{layer.distance:.2f}"
        )
    count = sum(layer.indices.size for layer in layers)
    kept = sum(layer.kept * layer.indices.size for layer in layers) / count
    apart = sum(layer.distance * layer.indices.size for layer in layers) / count
    table.add_row("all", "", f"{100 * kept:.1f} %", f"{apart:.2f}")
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.convert",
        usage="%(prog)s SOURCE [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", type=Path, help="see above")
    add("--bits", choices=SUB_BITS, default="0.56", help="bits a weight (default: 0.56)")
    add("--antipodal", action="store_true", help="close the codebooks under negation")
    add("--epochs", type=int, default=0, help="train on for so long (default: 0)")
    add("--learn", action="store_true", help="let that training change the codebooks, too")
    add("--rate", type=float, help=f"its peak learning rate; default: {RATE_SHARE} times before's")
    add("--layers", default="*", metavar="PATTERN", help="of weights alone: names, as 'layer*'")
    add("--data", type=Path, help="folder with the data set's files (digits needs none)")
    add("--out", type=Path, default=Path("runs/converted"), help="default: runs/converted")
    return parser


if __name__ == "__main__":
    run_command(main)
