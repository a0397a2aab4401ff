"""Draws what a network has learnt.

    python -m model.inspect digits --out pictures

FILE is an exported network or the name of a shipped one. Pictures, as PNGs of 300 dots an inch:

    kernels.png     each layer's codebook and how often each kernel is used
                    (kernels-1.png, kernels-2.png, ... where there are more than 8 layers)
    use.png         what share of the kernels the most used codewords hold
    distances.png   in how many taps each two codewords differ
    entropy.png     information in the indices beside the tau bits stored
    accuracy.png    accuracy and loss by epoch
    changes.png     how much of the codebooks changed by epoch
    latent.png      how far the kernels in use are from the signs of the weights behind them

The last three need what model.train has left beside the file: metrics.jsonl (changes.png: of a
codebook that is learnt) and checkpoint.pt (with torch installed).
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from model import bits
from model.errors import UserError, run_command
from model.files import make_folder, write_whole
from model.format import load
from model.inspect.facts import LayerFacts, layer_facts
from model.inspect.run import latent_signs, log_of, read_log
from model.network import Network, Pointwise
from model.shipped import DEFAULT, names, resolve

__all__ = ["main"]

# Of the table, where there is no terminal to ask.
LINE_WIDTH = 110


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m model.inspect``; UserError for files that cannot be used."""
    options = _parser().parse_args(arguments)
    path = resolve(options.file)
    network = load(path)
    layers = layer_facts(network)
    plans, left_out = _plans(path, network, layers)
    make_folder(options.out)
    _remove_old(options.out)
    console = Console(
        highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else LINE_WIDTH
    )
    if layers:
        console.print(_table(layers))
    from model.inspect.style import save

    for name, draw in plans.items():
        figure = draw()
        write_whole(options.out / name, lambda file, figure=figure: save(figure, file))
        console.print(f"{options.out / name}")
    for line in left_out:
        console.print(f"left out: {line}")


def _plans(
    path: Path, network: Network, layers: list[LayerFacts]
) -> tuple[dict[str, Callable], list[str]]:
    """A function for each picture that can be drawn, and why others cannot."""
    # Here, because a wrong file should be told before this slow import.
    from model.inspect import books, curves

    plans, left_out = {}, []
    plain = [layer.name for layer in network.convs if isinstance(layer, Pointwise)]
    if plain:
        left_out.append(f"1x1 layers, which have no codebook: {', '.join(plain)}")
    pages = [layers[at : at + books.PAGE] for at in range(0, len(layers), books.PAGE)]
    for number, page in enumerate(pages, 1):
        name = "kernels.png" if len(pages) == 1 else f"kernels-{number}.png"
        plans[name] = lambda page=page: books.kernel_picture(page)
    if layers:
        plans["use.png"] = lambda: books.use_picture(layers)
        plans["entropy.png"] = lambda: books.entropy_picture(layers)
    coded = [layer for layer in layers if layer.tau < bits.TAPS]
    if coded:
        plans["distances.png"] = lambda: books.distance_picture(coded)
    binary = [layer.name for layer in layers if layer.tau == bits.TAPS]
    if binary:
        left_out.append(f"distances.png of layers with all 512 kernels: {', '.join(binary)}")
    log = log_of(path)
    epochs = read_log(log) if log else []
    if epochs:
        plans["accuracy.png"] = lambda: curves.accuracy_picture(epochs)
    else:
        left_out.append("accuracy.png: there is no training log beside the file")
    pairs = {layer.name: layer.antipodal for layer in layers}
    moving = [epoch for epoch in epochs if epoch.get("codebooks")]
    if len(moving) > 1:
        plans["changes.png"] = lambda: curves.change_picture(moving, pairs)
    elif epochs:
        left_out.append("changes.png: the training log has no codebooks that were learnt")
    latent = latent_signs(path, network)
    if latent:
        plans["latent.png"] = lambda: curves.latent_picture(latent)
    else:
        left_out.append("latent.png: there is no checkpoint of this network beside the file")
    return plans, left_out


def _remove_old(folder: Path) -> None:
    """Pictures of an earlier network must not pass for this one's."""
    known = ("use", "distances", "entropy", "accuracy", "changes", "latent", "kernels")
    old = [folder / f"{name}.png" for name in known] + list(folder.glob("kernels-[0-9]*.png"))
    for path in old:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{path}: cannot be removed: {error.strerror}") from error


def _table(layers: list[LayerFacts]) -> Table:
    table = Table(
        "layer", "channels", "tau", "codebook", "entropy", "most used", "unused", "closest two"
    )
    for layer in layers:
        binary = layer.tau == bits.TAPS
        kind = "all 512" if binary else f"{'antipodal' if layer.antipodal else 'plain'}"
        table.add_row(
            layer.name,
            f"{layer.c_in} → {layer.c_out}",
            str(layer.tau),
            kind,
            f"{layer.entropy:.3f} bits",
            f"{100 * layer.codewords.max() / layer.count:.2f} %",
            str(layer.unused),
            f"{layer.closest} {'tap' if layer.closest == 1 else 'taps'}",
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.inspect",
        usage="%(prog)s [FILE] --out DIR",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default=DEFAULT,
        help=f"exported network, or one of {', '.join(names())} (default: {DEFAULT})",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="for the pictures")
    return parser


if __name__ == "__main__":
    run_command(main)
