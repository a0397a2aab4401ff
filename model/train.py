"""``python -m model.train``: train a network, export it, and check the export.

Into --out go checkpoint.pt, metrics.jsonl (a line an epoch), the exported network and, last of
all, metrics.json. Without options it trains the digits at 0.56 bit. ``torchrun -m model.train``
trains in several processes, on as many GPUs.
"""

import argparse
import dataclasses
import importlib.util
import os
import shlex
import signal
import sys
from pathlib import Path

from model import datasets
from model.codebooks import KINDS, TAU_OF_BITS
from model.datasets import Dataset
from model.errors import UserError, run_command
from model.files import make_folder
from model.folder_images import Tree
from model.format import SUFFIX
from model.nets import NETS, ResNetConfig, net_config
from model.rules import PADDINGS
from model.training import device, pictures
from model.training.config import DEFAULTS, FLOAT, FLOAT_RATE, TrainConfig
from model.training.distributed import ALONE, Ranks, Unseen
from model.training.files import CHECKPOINT, LINES, METRICS, TEACHER, JsonLines
from model.training.joined import joined
from model.training.options import add_recipe, check_recipe, whole
from model.training.progress import make_progress, working

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status. Raises UserError for input that cannot be used."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with joined() as ranks:
        return _main(given, ranks)


def _main(given: list[str], ranks: Ranks) -> int:
    with ranks.one_voice():
        options = _parser().parse_args(given)
    config = _config(options, ranks)
    facts = datasets.source(config.dataset)
    net_config(config.net, facts.image)
    default_out = Path("runs") / f"{config.dataset}-{config.bits}-{config.codebook}"
    folder = options.out or default_out
    check_recipe(config, folder)
    if ranks.count > 1:
        _need_torch()
        ranks.connect(device.choose(options.device, ranks))
    train, test = pictures.load(config, options.data)
    _need_torch()
    if ranks.first:
        _guard(folder, options)
        make_folder(folder)
    ranks.say(
        f"{config.dataset}: {len(train)} images to train on, {len(test)} held out; "
        f"{_weights(config)}, net {config.net}, "
        f"{config.epochs} epochs; into {folder}"
        + (f"; {ranks.count} processes" if ranks.count > 1 else "")
    )
    kept = (w for w in given if w != "--restart")
    again = shlex.join([*ranks.launcher, "-m", "model.train", *kept])
    if not options.resume:
        again += " --resume"
    return _run(config, folder, train, test, options, options.resume, again, ranks)


def _need_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise UserError("training needs torch, which is not installed: pip install '.[train]'")


def _weights(config: TrainConfig) -> str:
    return f"{config.bits} bit, codebook {config.codebook}" if config.exported else "float weights"


def _parser() -> argparse.ArgumentParser:
    usual = "default: sound for the data set"
    parser = argparse.ArgumentParser(
        prog="python -m model.train",
        usage="%(prog)s [options]",
        description="Train a sub-bit network and export it.",
    )
    add = parser.add_argument
    add("--dataset", choices=tuple(DEFAULTS), help="default: the one --net is for, else digits")
    add("--bits", choices=(*TAU_OF_BITS, FLOAT),
        help=f"bits a weight; {FLOAT}: a teacher for other networks; default: 0.56")  # fmt: skip
    add("--codebook", choices=KINDS, help="default: antipodal")
    add("--net", choices=tuple(NETS), help=usual)
    add("--epochs", type=whole, help=usual)
    add("--seed", type=whole, help="default: 0")
    add("--batch", type=whole, help=f"images a step; {usual}")
    add("--shift", type=whole, help=f"move training images by up to so many pixels; {usual}")
    add("--flip", action=argparse.BooleanOptionalAction, help=f"mirror training images; {usual}")
    shifts = "residual networks: learnt shifts of signs, shifted PReLU; default: no"
    add("--shifts", action=argparse.BooleanOptionalAction, help=shifts)
    add("--padding", choices=PADDINGS, help="what lies around a map; default: zero")
    add_recipe(parser, usual)
    add("--threads", type=whole, help="threads of torch (results may depend on it); default: 2")
    add("--data", type=Path, help="folder with the data set's files (digits needs none)")
    add("--device", choices=device.DEVICES, default="auto", help="default: auto, a GPU if any")
    pictures.add_options(add)
    add("--out", type=Path, help="folder of the run; default: runs/DATASET-BITS-CODEBOOK")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    either.add_argument("--restart", action="store_true", help="drop an unfinished run in --out")
    return parser


def _dataset(net: str | None) -> str:
    """The first data set whose images a network takes; digits without one."""
    image = NETS[net or DEFAULTS["digits"].net].image
    for name in DEFAULTS:
        if datasets.source(name).image == image:
            return name
    size = "x".join(map(str, image))
    raise UserError(f"--net {net} takes images of {size}, and no data set here has such")


def _config(options: argparse.Namespace, ranks: Ranks = ALONE) -> TrainConfig:
    """The data set's defaults with the options that were given."""
    options.dataset = options.dataset or _dataset(options.net)
    usual = DEFAULTS[options.dataset]
    names = [field.name for field in dataclasses.fields(TrainConfig)]
    chosen = {n: getattr(options, n) for n in names if getattr(options, n) is not None}
    config = dataclasses.replace(usual, **chosen)
    for name in ("epochs", "batch", "threads"):
        if getattr(config, name) < 1:
            raise UserError(f"--{name} {getattr(config, name)} must be at least 1")
    facts = datasets.source(config.dataset)
    if not 2 <= config.batch <= facts.sizes[0]:
        raise UserError(f"--batch {config.batch} must be from 2 to {facts.sizes[0]}")
    ranks.check(config.batch, config.compile)
    pictures.check_options(options)
    if config.shifts and not isinstance(NETS[config.net], ResNetConfig):
        raise UserError(f"--shifts is for residual networks, and --net {config.net} is none")
    if options.bits == FLOAT and options.rate is None:
        config = dataclasses.replace(config, rate=FLOAT_RATE)
    if config.shift >= min(facts.image[1:]):
        raise UserError(f"--shift {config.shift} must be less than {min(facts.image[1:])} pixels")
    return config


def _guard(folder: Path, options: argparse.Namespace) -> None:
    """Refuse to resume from nothing, and to overwrite a run that is not finished."""
    begun = any((f / CHECKPOINT).exists() for f in (folder, folder / TEACHER))
    finished = (folder / METRICS).exists()
    if options.resume and not begun:
        raise UserError(
            f"--resume: there is no {folder / CHECKPOINT}; leave --resume out to start the training"
        )
    if begun and not finished and not (options.resume or options.restart):
        raise UserError(
            f"--out {folder} holds an unfinished run: add --resume to go on with it, or "
            "--restart to drop it"
        )


def _run(
    config: TrainConfig,
    folder: Path,
    train: Dataset | Tree,
    test: Dataset | Tree,
    options: argparse.Namespace,
    resume: bool,
    again: str,
    ranks: Ranks,
) -> int:
    """Train, export, check, and write the metrics. torch is imported here, and not before."""
    # The first import after an installation can take longer than anybody likes to wait in silence.
    with ranks.one_voice(), working("loading torch"):
        import torch

        from model.training import checkpoint
        from model.training.finish import finish
        from model.training.loop import Trainer
        from model.training.network import build_net
        from model.training.teacher import load_teacher, teacher_config

    teacher = None
    if config.teacher == "auto":
        below, told = folder / TEACHER, teacher_config(config)
        if not ranks.shared(lambda: resume and (below / METRICS).exists()):
            if ranks.first:
                make_folder(below)
            ranks.say(f"a teacher first: {told.command()}; into {below}")
            going = ranks.shared(lambda: resume and (below / CHECKPOINT).exists())
            status = _run(told, below, train, test, options, going, again, ranks)
            if status:
                return status
    if config.teacher != "none":
        path = _taught_by(config, folder)
        teacher = ranks.shared(lambda: load_teacher(path, config, len(train.classes)))
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    torch.set_default_dtype(torch.float64 if config.precision == "float64" else torch.float32)
    net = build_net(config, len(train.classes))
    place = device.choose(options.device, ranks)
    feeds = (pictures.feed(data, config, options, place, ranks) for data in (train, test))
    trainer = Trainer(config, net, *feeds, teacher, ranks, place)
    if ranks.shared(lambda: resume and (folder / CHECKPOINT).exists()):
        # The first process reads it, so that other machines need not see its folder.
        trainer.restore(ranks.shared(lambda: checkpoint.read(folder, config)))
    elif ranks.first:
        # What an earlier run left must not pass for a result of this one.
        for name in (CHECKPOINT, METRICS, config.export_name + SUFFIX):
            (folder / name).unlink(missing_ok=True)
    lines, shown = Unseen(), Unseen()
    if ranks.first:
        lines = JsonLines(folder / LINES, trainer.epoch)
        shown = make_progress(trainer.total, trainer.done)
    with shown as progress, _Stop() as stop:
        ended = trainer.run(folder, lines, progress, lambda: ranks.any(stop.asked()))
    torch.set_default_dtype(torch.float32)
    if not ended:
        ranks.say(f"interrupted: saved after step {trainer.done} of {trainer.total}; go on with:")
        ranks.say(f"  {again}")
        ranks.any(False)  # no process leaves, and has torchrun end the rest, before this is said
        return 130
    if ranks.first:
        net.to("cpu", torch.float32)
        finish(trainer, folder, pictures.to_compare(test, trainer.test))
    return 0


def _taught_by(config: TrainConfig, folder: Path) -> Path:
    """The folder of the teacher's run."""
    return folder / TEACHER if config.teacher == "auto" else Path(config.teacher)


class _Stop:
    """Ctrl-C asks for a stop after the step under way; a second one is an ordinary Ctrl-C."""

    def __enter__(self):
        self._asked = False
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, kind, error, trace) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, number, frame) -> None:
        self._asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def asked(self) -> bool:
        return self._asked


if __name__ == "__main__":
    # Idle OpenMP threads that spin would take the cores from whoever else needs them.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    run_command(main)
