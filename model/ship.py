"""``python -m model.ship RUN``: make the network that a training run left a shipped one.

Copies the run's exported network and its metrics into model/shipped_networks, and makes
docs/results.md anew. A network of the same name that ships already is replaced where the new one
is not worse, or with ``--replace``.
"""

import argparse
import shutil
from pathlib import Path

from model import results, shipped
from model.errors import OneLineParser, UserError, run_command
from model.files import write_whole
from model.format import SUFFIX, load
from model.training.files import METRICS, write_json

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status. Raises UserError for a run that cannot ship."""
    parser: argparse.ArgumentParser = OneLineParser(
        prog="python -m model.ship",
        description="Make the network that a training run left a shipped one.",
    )
    parser.add_argument("run", type=Path, help="folder of a finished run of model.train")
    parser.add_argument("--replace", action="store_true", help="even a better one that ships")
    options = parser.parse_args(arguments)
    if not (options.run / METRICS).is_file():
        raise UserError(f"{options.run}: holds no {METRICS}: name the folder of a finished run")
    metrics = results.read_metrics(options.run / METRICS)
    name = metrics["dataset"].replace("-", "_")
    source = options.run / f"{name}{SUFFIX}"
    if load(source).provenance.get("command") != metrics["command"]:
        raise UserError(f"{source}: is not the network that {options.run / METRICS} is about")
    _keep_the_better(name, metrics, options.replace)
    target = shipped.FOLDER / source.name
    with open(source, "rb") as file:
        write_whole(target, lambda copy: shutil.copyfileobj(file, copy))
    where = f"{shipped.FOLDER.parent.name}/{shipped.FOLDER.name}/{target.name}"
    write_json(shipped.FOLDER / f"{name}.{METRICS}", metrics | {"export": where})
    print(f"{name}: {100 * metrics['test_accuracy']:.2f} %, {metrics['file_bytes']} bytes")
    return results.main([])


def _keep_the_better(name: str, metrics: dict, replace: bool) -> None:
    """Raise UserError where what ships under the name is better and not to be replaced."""
    path = shipped.FOLDER / f"{name}.{METRICS}"
    if replace or not path.is_file():
        return
    ships, comes = (m["test_accuracy"] for m in (results.read_metrics(path), metrics))
    if ships > comes:
        raise UserError(
            f"{name}: the one that ships has {100 * ships:.2f} %, this one {100 * comes:.2f} %; "
            "--replace replaces it nevertheless"
        )


if __name__ == "__main__":
    run_command(main)
