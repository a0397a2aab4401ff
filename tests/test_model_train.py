"""The training command: results, interruption, resumption, and bad input."""

import json
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model import datasets, format, train  # noqa: E402
from model.codebooks import tau_of  # noqa: E402
from model.errors import UserError  # noqa: E402
from model.nets import NETS  # noqa: E402
from model.stack import build  # noqa: E402
from model.training import checkpoint  # noqa: E402
from model.training.augment import augment  # noqa: E402
from model.training.config import DEFAULTS, TrainConfig  # noqa: E402
from model.training.files import JsonLines  # noqa: E402
from model.training.loop import Trainer  # noqa: E402
from model.training.progress import PlainProgress, RichProgress, working  # noqa: E402

ROOT = Path(train.__file__).parent.parent
KEYS = (
    "dataset", "bits", "codebook", "net", "seed", "epochs", "test_accuracy", "stored_bits",
    "bit_ops", "seconds", "export", "float_accuracy", "disagreements", "file_bytes",
    "formula_bytes", "command", "torch", "numpy", "git_commit",
)  # fmt: skip


def trainer(config: TrainConfig) -> Trainer:
    """A run on a tenth of the digits."""
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    net = build(NETS["digits"], tau_of(config.bits), config.codebook, config.seed)
    parts = [datasets.load("digits", split=split) for split in datasets.SPLITS]
    parts = [datasets.Dataset(p.name, p.images[:160], p.labels[:160], p.classes) for p in parts]
    return Trainer(config, net, *parts)


class Quiet(PlainProgress):
    def _say(self, text):
        pass


def go(run: Trainer, folder: Path, steps: int | None = None) -> bool:
    """Go on to the end, or for a number of steps."""
    until = None if steps is None else run.done + steps
    lines = JsonLines(folder / "metrics.jsonl", run.epoch)
    return run.run(folder, lines, Quiet(run.total, run.done), lambda: run.done == until)


def same(a, b) -> bool:
    """Whether two states are equal in every bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize(
    ("bits", "codebook"), [("0.56", "antipodal"), ("0.44", "antipodal-refined"), ("1", "sampled")]
)
def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(bits, codebook, tmp_path, seed):
    config = TrainConfig(
        bits=bits, codebook=codebook, epochs=3, seed=seed, batch=32, shift=1, flip=True
    )
    whole = trainer(config)
    folders = [tmp_path / name for name in ("whole", "parts")]
    for folder in folders:
        folder.mkdir()
    assert go(whole, folders[0])
    # Stopped in the middle of an epoch, at its end, and after another step.
    for steps in (7, 3, 1):
        part = trainer(config)
        if (folders[1] / "checkpoint.pt").exists():
            part.restore(checkpoint.read(folders[1], config))
        assert not go(part, folders[1], steps)
        torch.rand(1000)  # what else may happen in between
    part = trainer(config)
    part.restore(checkpoint.read(folders[1], config))
    assert part.done == 11 and go(part, folders[1])
    first, second = whole.state(), part.state()
    assert first.pop("seconds") > 0 and second.pop("seconds") > 0
    assert first["epoch"] == 3 and same(first, second)
    lines = [
        [json.loads(line) | {"seconds": 0} for line in text.splitlines()]
        for text in ((folder / "metrics.jsonl").read_text() for folder in folders)
    ]
    assert lines[0] == lines[1] and [record["epoch"] for record in lines[0]] == [1, 2, 3]


def test_the_command_from_start_to_end_and_again(tmp_path, capsys):
    out = tmp_path / "new" / "run"
    words = ["--bits", "1", "--epochs", "2", "--threads", "1", "--out", str(out)]
    assert train.main(words) == 0
    names = {"checkpoint.pt", "digits.safetensors", "metrics.json", "metrics.jsonl"}
    assert {path.name for path in out.iterdir()} == names
    network, metrics = ((out / n).read_bytes() for n in ("digits.safetensors", "metrics.json"))
    record = json.loads(metrics)
    assert record["stored_bits"] == 9 * (16 * 32 + 32 * 64 + 64 * 64)
    assert record["bit_ops"] == 9 * record["kernel_applications"] == 9 * 229_376
    # Resuming a finished run repeats its end; starting again does it all again, alike.
    for more in (["--resume"], []):
        assert train.main(words + more) == 0
        assert (out / "digits.safetensors").read_bytes() == network
        assert len((out / "metrics.jsonl").read_text().splitlines()) == 2
    # A finished run may be replaced; what it made does not outlive the start of the next.
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "run", interrupted)
        train.main(words)
    assert {path.name for path in out.iterdir()} == {"metrics.jsonl"}


def interrupted(*_):
    raise KeyboardInterrupt


def test_norms_are_fixed_late_in_the_run(tmp_path, seed):
    """From the share --settle on, thresholds are those that the export will have."""
    run = trainer(TrainConfig(epochs=2, batch=32, settle=0.6, seed=seed))
    running = [b for n, b in run.net.named_buffers() if "running" in n or "batches" in n]
    learnt = run.net.norm1.bias
    assert not go(run, tmp_path, 5)
    early = [b.clone() for b in running]
    assert not go(run, tmp_path, 1)
    settled, bias = [b.clone() for b in running], learnt.detach().clone()
    assert not any(map(torch.equal, early, settled))
    assert go(run, tmp_path)
    assert all(map(torch.equal, settled, running)) and not torch.equal(bias, learnt)


def test_without_torch_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("model.train.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs torch.*pip install '\.\[train\]'"):
        train.main(["--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "model.train", "--threads", "1", "--epochs", "12", *words]


def test_ctrl_c_saves_and_resume_goes_on_to_the_same_file(tmp_path):
    out = tmp_path / "run"
    whole = subprocess.Popen(
        command("--out", str(tmp_path / "whole")), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    part = subprocess.Popen(
        command("--out", str(out)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in part.stdout:
        if line.startswith("epoch"):
            break
    part.send_signal(signal.SIGINT)
    said, errors = part.communicate(timeout=120)
    assert part.returncode == 130 and not errors
    assert not (out / "metrics.json").exists() and not (out / "digits.safetensors").exists()
    assert "interrupted: saved after step" in said and said.rstrip().endswith("--resume")
    again = shlex.split(said.splitlines()[-1])
    assert again[0] == "python"
    assert whole.communicate(timeout=300) and whole.returncode == 0
    ended = subprocess.run(
        [sys.executable, *again[1:]], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    one, two = (folder / "digits.safetensors" for folder in (tmp_path / "whole", out))
    assert one.read_bytes() == two.read_bytes()
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(KEYS) <= set(metrics)
    assert metrics["test_accuracy"] > 0.8 and metrics["epochs"] == 12
    assert metrics["file_bytes"] == one.stat().st_size
    network = format.load(two)
    assert metrics["stored_bits"] == network.stored_bits
    assert network.provenance["command"] == metrics["command"]
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 12


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--bits 0.5", "'1', '0.67', '0.56', '0.44', '0.33'|1, 0.67, 0.56, 0.44, 0.33"),
        ("--codebook best", "antipodal"),
        ("--dataset svhn", "fashion-mnist"),
        ("--net resnet", "digits"),
        ("--epochs 0", "at least 1"),
        ("--epochs -3", "whole number"),
        ("--epochs many", "whole number"),
        ("--batch 1", "--batch 1 must be from 2"),
        ("--batch 99999", "to 1433"),
        ("--rate nan", "number above 0"),
        ("--rate 0", "number above 0"),
        ("--smoothing 1", "share"),
        ("--shift 8", "less than 8"),
        ("--threads 0", "at least 1"),
        ("--dataset digits --net small", "choose --net digits or digits_residual"),
        ("--net small", "mnist: .*--data DIR"),
        ("--net resnet20", "cifar10: .*--data DIR"),
        ("--net resnet34", "imagenet: .*--data DIR"),
        ("--dataset imagenet --data {empty}", "no folder .*train: .*train/CLASS/.*image-net.org"),
        ("--dataset imagenet --shift 2", "cropped at random"),
        ("--dataset cifar100 --data {empty}", "train.bin is missing.*kriz/cifar.html"),
        ("--broken skip", "--broken is for imagenet"),
        ("--workers 2", "--workers is for imagenet"),
        ("--workers -1", "at least 0"),
        ("--device gpu", "auto.*cpu.*cuda"),
        ("--shifts", "for residual networks, and --net digits is none"),
        ("--padding same", "zero.*plus.*minus"),
        ("--dataset mnist", "--data DIR"),
        ("--dataset mnist --data {empty}", "train-images-idx3-ubyte.gz is missing"),
        ("--dataset cifar10 --data {empty}", "data_batch_1 is missing"),
        ("--resume", "there is no .*checkpoint.pt"),
        ("--resume --restart", "not allowed with"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(words, named, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    given = [*words.format(empty=empty).split(), "--out", str(tmp_path / "out")]
    with pytest.raises((UserError, SystemExit)) as caught:
        train.main(given)
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == 2
        text = capsys.readouterr().err.splitlines()[-1]
    else:
        text = str(caught.value)
        assert caught.value.exit_status == 2
    assert re.search(named, text) and "\n" not in text, text
    assert [p for p in tmp_path.rglob("*") if p != empty] == []


def test_a_folder_that_cannot_be_written(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "below", Path("/proc/nowhere")):
        with pytest.raises(UserError, match="cannot be written"):
            train.main(["--out", str(folder)])
    assert list(tmp_path.iterdir()) == [file] and file.read_text() == ""


def test_bad_bits_from_the_shell_exit_with_2_and_no_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "model.train", "--bits", "0.5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "model.train", "--dataset", "mnist", "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: mnist: ")


def started(folder: Path, config: TrainConfig) -> Trainer:
    run = trainer(config)
    assert not go(run, folder, 2)
    return run


def test_an_unfinished_run_is_not_overwritten(tmp_path):
    started(tmp_path, TrainConfig(batch=32))
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(UserError, match="--resume to go on with it, or --restart"):
        train.main(["--out", str(tmp_path)])
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"bits": "1"}, "--bits 0.56 instead of 1"),
        ({"epochs": 61}, "--epochs 60 instead of 61"),
        ({"codebook_rate": 2.0}, "--codebook-rate 5.0 instead of 2.0"),
        ({"seed": 9}, "--seed 0 instead of 9"),
    ],
)
def test_a_checkpoint_of_other_options_is_refused(change, named, tmp_path):
    config = TrainConfig(batch=32)
    started(tmp_path, config)
    with pytest.raises(UserError, match=named):
        checkpoint.read(tmp_path, TrainConfig(**({"batch": 32} | change)))


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_a_damaged_checkpoint_is_refused_and_runs_nothing(tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(batch=32)
    started(tmp_path, config)
    path = tmp_path / "checkpoint.pt"
    good = path.read_bytes()
    rng = np.random.default_rng(seed)
    bad = [b"", b"PK", good[:-100], good[: len(good) // 2], rng.bytes(1000), pickle.dumps(Evil())]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(UserError, match="--restart"):
            checkpoint.read(tmp_path, config)
    for value in (3, {"version": 99}, {"version": 1, "config": 5, "state": {}}, {"version": 1}):
        torch.save(value, path)
        with pytest.raises(UserError, match="--restart"):
            checkpoint.read(tmp_path, config)
    # A real archive with another pickle inside.
    path.write_bytes(good)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            evil = name.endswith("data.pkl")
            archive.writestr(name, pickle.dumps(Evil(), protocol=2) if evil else content)
    with pytest.raises(UserError, match="--restart"):
        checkpoint.read(tmp_path, config)
    assert not Path("evil").exists()


def test_the_command_of_a_run_repeats_it():
    for usual in DEFAULTS.values():
        words = shlex.split(usual.command())
        assert words[:3] == ["python", "-m", "model.train"] and len(words) == 15
    config = TrainConfig("fashion-mnist", "1", net="small", flip=False, rate=0.25, epochs=2)
    options = train._parser().parse_args(shlex.split(config.command())[3:])
    assert train._config(options) == config


def test_augmentation_moves_and_mirrors(seed):
    image = torch.zeros(200, 1, 5, 5, dtype=torch.uint8)
    image[:, 0, 2, 2] = 9
    image[:, 0, 2, 1] = 5
    out = augment(image, 1, True, torch.Generator().manual_seed(seed))
    again = augment(image, 1, True, torch.Generator().manual_seed(seed))
    assert torch.equal(out, again) and out.dtype == torch.uint8
    assert (out.flatten(1).sum(1) == 14).all()
    places = {tuple((o[0] == 9).nonzero()[0].tolist()) for o in out}
    assert places == {(y, x) for y in (1, 2, 3) for x in (1, 2, 3)}
    left = sum(bool(o[0].sum(0).nonzero()[0] == (o[0] == 5).nonzero()[0, 1]) for o in out)
    assert 60 < left < 140
    plain = augment(image, 0, False, torch.Generator())
    assert plain is image


def test_plain_progress_is_never_silent_for_ten_seconds(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("model.training.progress.time.monotonic", lambda: now[0])
    progress = PlainProgress(1000, 0)
    silence, since = 0.0, now[0]
    for step in range(1, 1001):
        now[0] += 0.37
        progress.step(step, 1, 0.5, 0.75)
        if capsys.readouterr().out:
            silence, since = max(silence, now[0] - since), now[0]
    assert silence < 6
    record = {"epoch": 2, "epochs": 2, "step": 1000, "loss": 0.125}
    progress.epoch(record | {"train_accuracy": 0.5, "test_accuracy": 0.625}, last=True)
    line = capsys.readouterr().out
    assert "epoch 2 of 2: loss 0.1250, accuracy 50.00 %, test 62.50 %, 0:00 left" in line


def test_long_work_is_not_silent(capsys, monkeypatch):
    monkeypatch.setattr("model.training.progress.LONGEST_SILENCE", 0.01)
    with working("thinking"):
        time.sleep(0.2)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "thinking ..." and set(said[1:]) == {"still thinking ..."}


def test_the_bar_shows_loss_accuracy_and_time(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    with RichProgress(100, 10) as progress:
        progress.step(40, 3, 0.25, 0.5)
        record = {"epoch": 3, "epochs": 4, "step": 50, "loss": 0.25}
        progress.epoch(record | {"train_accuracy": 0.5, "test_accuracy": 0.625}, last=False)
    shown = capsys.readouterr().out
    for part in ("epoch 3", "50%", "loss 0.2500", "accuracy 50.00 %", "test 62.50 %", "left"):
        assert part in shown
