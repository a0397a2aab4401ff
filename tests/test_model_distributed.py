"""Several processes that train as one: against one process, interrupted, failing, killed."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from model import train  # noqa: E402
from model.errors import UserError  # noqa: E402
from model.training import device  # noqa: E402
from model.training.augment import augment  # noqa: E402
from model.training.distributed import ALONE, Ranks  # noqa: E402
from model.training.joined import joined  # noqa: E402

ROOT = Path(train.__file__).parent.parent
# The same whatever way the batch is cut: nothing is rounded that a sign could tell.
WORDS = ("--threads", "1", "--precision", "float64", "--batch", "32", "--shift", "1")


def start(words: list[str], count: int = 2, **more) -> list[subprocess.Popen]:
    """``python`` with these words, in processes with the variables that torchrun would set."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for number in range(count):
        place = {
            "RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count,
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        }  # fmt: skip
        started.append(
            subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=os.environ | {name: str(value) for name, value in place.items()},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **more,
            )
        )
    return started


def ended(started: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """(status, output, errors) of each process."""
    said = [process.communicate(timeout=240) for process in started]
    return [(p.returncode, *texts) for p, texts in zip(started, said, strict=True)]


def command(out: Path, *words: str) -> list[str]:
    return ["-m", "model.train", *WORDS, "--out", str(out), *words]


def same(one: Path, two: Path) -> bool:
    """Whether two runs ended with the same codebooks, indices, thresholds, factors and head."""
    a, b = (load_file(folder / "digits.safetensors") for folder in (one, two))
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ("--codebook", "antipodal-refined", "--epochs", "3"),
        ("--codebook", "selected", "--net", "digits_residual", "--epochs", "1", "--mixup", "0.2"),
    ],
    ids=["refined", "residual"],
)
def test_two_processes_of_torchrun_train_what_one_does(more, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    single = subprocess.Popen(
        [sys.executable, *command(one, *more)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    double = subprocess.run(
        [*launcher, *command(two, *more)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert single.wait(timeout=300) == 0 and double.returncode == 0, double.stderr
    assert same(one, two)
    # One process speaks and writes.
    for text in ("digits: 1433 images", "2 processes", "loading torch", "test accuracy"):
        assert double.stdout.count(text) == 1
    records = [json.loads((folder / "metrics.json").read_text()) for folder in (one, two)]
    assert [record["processes"] for record in records] == [1, 2]
    logs = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (one, two)
    ]
    assert len(logs[0]) == len(logs[1]) > 0
    for a, b in zip(*logs, strict=True):
        assert a.pop("seconds") and b.pop("seconds")
        assert a.pop("loss") == pytest.approx(b.pop("loss"), rel=1e-12) and a == b


@pytest.mark.slow
def test_ctrl_c_stops_all_at_one_step_and_one_process_goes_on(tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    more = ("--epochs", "2", "--codebook", "antipodal-refined")
    both = start(command(out, *more))
    for line in both[0].stdout:
        if line.startswith("epoch 1"):
            break
    # To one process only: the others hear of it.
    both[1].send_signal(signal.SIGINT)
    (status, said, errors), (other, silent, _) = ended(both)
    assert (status, other) == (130, 130) and not silent, errors
    assert "interrupted: saved after step" in said and not (out / "metrics.json").exists()
    again = shlex.split(said.splitlines()[-1])
    assert again[:5] == ["torchrun", "--nproc-per-node", "2", "-m", "model.train"]
    assert again[-1] == "--resume"
    # The batch is the global one, so that any number of processes may go on.
    for words in (command(out, *more, "--resume"), command(whole, *more)):
        alone = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True)
        assert alone.returncode == 0
    assert same(out, whole)


def test_bad_input_is_said_once(tmp_path):
    for words, named in (
        (["--batch", "33"], "--batch 33 is shared by 2 processes: it must be a multiple of 2"),
        (["--bits", "0.5"], "invalid choice: '0.5'"),
    ):
        results = ended(start([*command(tmp_path / "out"), *words]))
        assert [status for status, _, _ in results] == [2, 2]
        errors = "".join(errors for _, _, errors in results)
        assert errors.count(named) == 1 and "Traceback" not in errors, errors
        assert not (tmp_path / "out").exists()


FAILING = """
import os, sys
from model import train
from model.errors import UserError, run_command
from model.training.loop import Trainer
plain = Trainer._train
def fails(self, chosen):
    if self.done == 3 and self.ranks.number == 1:
        {action}
    plain(self, chosen)
Trainer._train = fails
run_command(train.main)
"""


@pytest.mark.parametrize(
    ("action", "statuses", "line"),
    [
        ("raise UserError('the disk is full')", [2, 2],
         "error: rank 1 of 2: the disk is full\n"),
        ("os._exit(9)", [2, 9],
         "error: rank 0 of 2: another process of this run has ended; start all of them "
         "again with --resume\n"),
    ],
    ids=["error", "killed"],
)  # fmt: skip
def test_a_process_that_fails_ends_all_with_one_line(action, statuses, line, tmp_path):
    results = ended(start(["-c", FAILING.format(action=action), *command(tmp_path)[2:]]))
    assert [status for status, _, _ in results] == statuses
    assert "".join(errors for _, _, errors in results) == line


NORMS = """
import sys, torch
from torch import distributed, nn
from model.training.joined import joined
from model.training.norms import share_norms
torch.manual_seed(int(sys.argv[1]))
x = torch.randn(6, 5, 3, 2) * 3 + torch.arange(5.0)[:, None, None] * 10
weights = torch.randn(6, 5, 3, 2)
def run(norm, x, weights):
    norm.weight.data = torch.linspace(-1, 2, 5)
    x = x.clone().requires_grad_()
    y = norm(x)
    (y * weights).sum().backward()
    return y, x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var
plain = run(nn.BatchNorm2d(5), x, weights)
with joined() as ranks:
    ranks.connect("cpu")
    shared = nn.BatchNorm2d(5)
    share_norms(shared)
    mine = run(shared, ranks.part(x), ranks.part(weights))
    for n, (one, two) in enumerate(zip(plain, mine)):
        if n < 2:
            one = ranks.part(one)
        if n in (2, 3):
            # What DistributedDataParallel does; and it is the mean of both already.
            distributed.all_reduce(two)
        assert torch.allclose(one, two, rtol=1e-5, atol=1e-5), (n, one, two)
    shared.eval()
    assert torch.equal(shared(x), nn.BatchNorm2d.forward(shared, x))
    part = shared.train()(ranks.part(x).bfloat16())
    assert part.dtype == torch.bfloat16
    assert ranks.sums(1, ranks.number) == [2, 1] and ranks.any(ranks.number == 1)
    assert ranks.shared(lambda: ranks.number) == 0
    ranks.check_equal(shared)
    if ranks.number:
        shared.bias.data += 1
    ranks.check_equal(shared)
"""


def test_norms_see_the_global_batch_and_ranks_agree(seed):
    results = ended(start(["-c", NORMS, str(seed)]))
    assert [status for status, _, _ in results] == [1, 1]
    errors = "".join(errors for _, _, errors in results)
    assert "not all processes have the same network any more" in errors, errors
    assert "AssertionError" not in errors


def test_one_process_alone_needs_nothing():
    net = nn.Conv2d(1, 1, 1)
    assert ALONE.wrap(net) is net and ALONE.launcher == ["python"] and ALONE.first
    assert ALONE.sums(1.5, 2) == [1.5, 2] and ALONE.any(True) and not ALONE.any(False)
    ALONE.connect("cpu"), ALONE.check_equal(net), ALONE.check(7, True)
    with joined() as ranks:
        assert ranks is ALONE


def test_parts_and_launchers():
    batch = torch.arange(12)
    parts = [Ranks(n, 3).part(batch) for n in range(3)]
    assert torch.equal(torch.cat(parts), batch) and all(len(part) == 4 for part in parts)
    words = Ranks(0, 8, 0, 4).launcher
    assert words == ["torchrun", "--nnodes", "2", "--nproc-per-node", "4"]
    for batch in (10, 3):
        with pytest.raises(UserError, match=f"--batch {batch} is shared by 3"):
            Ranks(1, 3).check(batch, False)
    with pytest.raises(UserError, match="--compile is for one process"):
        Ranks(1, 3).check(9, True)


def test_the_device_follows_the_machine(monkeypatch):
    seen = []
    monkeypatch.setattr(torch.cuda, "set_device", seen.append)
    for found, count in ((False, 0), (True, 2)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert device.choose("cpu", ALONE) == "cpu"
        if not found:
            assert device.choose("auto", ALONE) == "cpu"
            with pytest.raises(UserError, match="--device cuda: torch finds no GPU"):
                device.choose("cuda", ALONE)
    assert device.choose("auto", ALONE) == "cuda:0"
    assert device.choose("cuda", Ranks(5, 8, 1, 2)) == "cuda:1" and seen == [0, 1]
    with pytest.raises(UserError, match="4 processes on a machine with 2 GPUs"):
        device.choose("auto", Ranks(2, 4, 2, 4))


def test_augmentation_runs_where_the_images_are():
    """On a device without numbers: sums with a tensor of the CPU would be an error."""
    images = torch.empty(6, 3, 8, 8, dtype=torch.uint8, device="meta")
    out = augment(images, 2, True, torch.Generator().manual_seed(0))
    assert out.device.type == "meta" and out.shape == images.shape and out.dtype == torch.uint8
