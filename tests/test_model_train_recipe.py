"""How a network is trained: schedule, mix-up, teachers, stages, bf16, divergence."""

import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from model import bits, datasets, format, train  # noqa: E402
from model.calibrate import calibrate, streams_of  # noqa: E402
from model.codebooks import frequent  # noqa: E402
from model.errors import CheckError, UserError  # noqa: E402
from model.layers import SubBitConv2d  # noqa: E402
from model.training import checkpoint, compiled, loop  # noqa: E402
from model.training.config import TrainConfig  # noqa: E402
from model.training.files import JsonLines  # noqa: E402
from model.training.loop import Trainer  # noqa: E402
from model.training.mixup import blend  # noqa: E402
from model.training.network import build_net, floated  # noqa: E402
from model.training.progress import PlainProgress  # noqa: E402
from model.training.schedule import rate  # noqa: E402
from model.training.stages import set_stage  # noqa: E402
from model.training.teacher import load_teacher, taught, teacher_config  # noqa: E402


class Quiet(PlainProgress):
    def _say(self, text):
        pass


def trainer(config: TrainConfig, teacher=None) -> Trainer:
    """A run on a tenth of the digits."""
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    parts = [datasets.load("digits", split=split) for split in datasets.SPLITS]
    parts = [replace(p, images=p.images[:160], labels=p.labels[:160]) for p in parts]
    return Trainer(config, build_net(config), *parts, teacher)


def go(run: Trainer, folder: Path, steps: int | None = None) -> bool:
    """Go on to the end, or for a number of steps."""
    folder.mkdir(exist_ok=True)
    until = None if steps is None else run.done + steps
    lines = JsonLines(folder / "metrics.jsonl", run.epoch)
    return run.run(folder, lines, Quiet(run.total, run.done), lambda: run.done == until)


@pytest.fixture(scope="module")
def teacher_run(tmp_path_factory):
    """The folder of a short run with --bits float."""
    out = tmp_path_factory.mktemp("teacher")
    words = ["--bits", "float", "--epochs", "3", "--threads", "1", "--out", str(out)]
    assert train.main(words) == 0
    return out


@pytest.mark.parametrize("decay", ["cosine", "linear"])
@pytest.mark.parametrize("warmup", [0.0, 0.15, 0.5])
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(decay, warmup):
    config = TrainConfig(rate=0.01, warmup=warmup, decay=decay)
    total = 1000
    rates = [rate(config, done, total) for done in range(total)]
    top = round(warmup * total)
    assert rates[top] == pytest.approx(0.01) == max(rates)
    assert rates[:top] == pytest.approx([0.01 * n / top for n in range(top)])
    left = total - top
    for done in range(top, total):
        fallen = (done - top) / left
        fall = fallen if decay == "linear" else math.sin(math.pi / 2 * fallen) ** 2
        assert rates[done] == pytest.approx(0.01 * (1 - fall), abs=1e-12)


def test_mixup_blends_images_and_labels_alike(seed):
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.integers(0, 256, (20, 3, 2, 2), np.uint8))
    labels = torch.from_numpy(rng.integers(0, 10, 20))
    shares = []
    for key in range(40):
        mixed, targets = blend(images, labels, 10, 0.4, key)
        assert mixed.dtype == torch.uint8
        assert torch.equal(mixed, blend(images, labels, 10, 0.4, key)[0])
        assert torch.allclose(targets.sum(1), torch.ones(20))
        own = targets[torch.arange(20), labels]
        assert own.min() >= 0.5 - 1e-6
        # The same share everywhere, and one partner for each: found by its label, then by pixels.
        share = float(own.min())
        shares.append(share)
        for n in range(20):
            partners = [
                (share * images[n].double() + (1 - share) * images[m].double()).round()
                for m in range(20)
                if targets[n, labels[m]] > (0.999 if labels[m] == labels[n] else 1e-9)
            ]
            assert any((p - mixed[n]).abs().max() <= 1 for p in partners) or share > 0.9999
    assert len(set(shares)) > 20 and max(shares) > 0.9


def test_one_image_or_all_alike_is_not_changed():
    images = torch.full((4, 1, 1, 1), 77, dtype=torch.uint8)
    labels = torch.tensor([3, 3, 3, 3])
    mixed, targets = blend(images, labels, 5, 1.0, 0)
    assert torch.equal(mixed, images)
    assert torch.allclose(targets, functional.one_hot(labels, 5).float())


RECIPES = {
    "mixup": {"mixup": 0.4, "decay": "linear", "warmup": 0.3},
    "float stage": {"first": "float", "codebook": "antipodal-frequent"},
    "binary stage": {"first": "binary", "codebook": "antipodal-refined"},
    "bf16": {"precision": "bf16", "mixup": 0.2},
    "bf16 residual": {"precision": "bf16", "net": "digits_residual", "shifts": True},
    "taught": {"distil": 0.5, "teacher": "auto"},
    "teacher": {"bits": "float", "rate": 0.002},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(
    recipe, tmp_path, teacher_run, seed
):
    config = TrainConfig(epochs=3, seed=seed, batch=32, **recipe)
    teacher = load_teacher(teacher_run, config) if config.teacher != "none" else None
    whole = trainer(config, teacher)
    assert go(whole, tmp_path / "whole")
    # In the first stage, and after the norms are fixed.
    for steps in (3, 6):
        part = trainer(config, teacher)
        if (tmp_path / "parts").exists():
            part.restore(checkpoint.read(tmp_path / "parts", config))
        assert not go(part, tmp_path / "parts", steps)
    part = trainer(config, teacher)
    part.restore(checkpoint.read(tmp_path / "parts", config))
    assert part.done == 9 and go(part, tmp_path / "parts")
    one, other = whole.state()["net"], part.state()["net"]
    assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


class TestStages:
    @pytest.mark.parametrize("first", ["binary", "float"])
    def test_weights_are_of_the_first_stage_and_then_sub_bit(self, first, tmp_path, seed):
        config = TrainConfig(
            epochs=2, batch=32, first=first, first_share=0.4, codebook="frequent", bits="0.44",
            seed=seed,
        )  # fmt: skip
        run = trainer(config)
        assert run.total == 10 and not go(run, tmp_path, 4)
        kernels = run.net.conv2.kernels()
        weights = run.net.conv2.weight.clone()
        signs = torch.where(weights >= 0, 1.0, -1.0)
        assert torch.equal(kernels, weights if first == "float" else signs)
        assert not go(run, tmp_path, 1)
        # The codebook is what the weights of the first stage used most.
        numbers = bits.kernel_numbers(weights.detach().numpy())
        book = run.net.conv2.codebook
        assert np.array_equal(book.numbers(), frequent(numbers, 4, False))
        used = np.unique(bits.kernel_numbers(run.net.conv2.kernels().detach().numpy()))
        assert set(used) <= set(book.numbers().tolist())
        assert go(run, tmp_path)
        assert np.array_equal(book.numbers(), frequent(numbers, 4, False))

    def test_the_last_step_is_always_sub_bit(self):
        net = build_net(TrainConfig())
        for total in (1, 2, 21, 22, 99, 1000):
            config = TrainConfig(first="float", first_share=0.99, settle=0.99)
            set_stage(net, config, total - 1, total)
            stages = {m.stage for m in net.modules() if isinstance(m, SubBitConv2d)}
            assert stages == {"codebook"}, total


class TestTeacher:
    def test_it_is_a_float_network_of_the_same_shape(self, seed):
        torch.manual_seed(seed)
        images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
        for name in ("digits", "digits_residual"):
            config = TrainConfig(net=name, shifts=name != "digits")
            pupil = build_net(config)
            convs = [m for m in pupil.modules() if isinstance(m, SubBitConv2d)]
            net = build_net(replace(config, bits="float"))
            assert not any(isinstance(m, SubBitConv2d) for m in net.modules())
            floats = [m for m in net.modules() if type(m) is torch.nn.Conv2d]
            assert [(m.in_channels, m.out_channels, m.stride) for m in floats] == [
                (m.c_in, m.c_out, (m.stride, m.stride)) for m in convs
            ]
            assert net.eval()(images).shape == (3, 10)
            assert floated(pupil) is pupil

    def test_its_run_leaves_metrics_and_a_command_but_no_export(self, teacher_run):
        names = {path.name for path in teacher_run.iterdir()}
        assert names == {"checkpoint.pt", "metrics.json", "metrics.jsonl"}
        metrics = json.loads((teacher_run / "metrics.json").read_text())
        assert metrics["bits"] == "float" and metrics["test_accuracy"] > 0.85
        assert "--bits float" in metrics["command"] and "--rate 0.002" in metrics["command"]

    def test_what_it_teaches(self, teacher_run):
        teacher = load_teacher(teacher_run, TrainConfig())
        test = datasets.load("digits")
        images, labels = torch.from_numpy(test.images), torch.from_numpy(test.labels)
        hard = functional.one_hot(labels, 10).float()
        before = {k: v.clone() for k, v in teacher.state_dict().items()}
        found = taught(teacher, images, hard, 0.7)
        # It knows the digits, its shares add up, and being asked does not change it.
        assert ((found - 0.3 * hard).argmax(1) == labels).float().mean() > 0.85
        assert torch.allclose(found.sum(1), torch.ones(len(labels)))
        assert torch.equal(taught(teacher, images, hard, 0.0), hard)
        assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())

    def test_by_folder(self, teacher_run, tmp_path):
        words = ["--epochs", "2", "--threads", "1", "--teacher", str(teacher_run)]
        assert train.main([*words, "--out", str(tmp_path / "run")]) == 0
        metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
        assert metrics["config"]["teacher"] == str(teacher_run)
        assert f"--teacher {teacher_run}" in metrics["command"]
        assert metrics["teacher_accuracy"] > 0.85

    def test_auto_trains_it_first_and_goes_on_after_ctrl_c(self, tmp_path, monkeypatch):
        words = ["--epochs", "4", "--batch", "200", "--threads", "1", "--teacher", "auto", "--out"]
        assert train.main([*words, str(tmp_path / "whole")]) == 0
        own = json.loads((tmp_path / "whole" / "teacher" / "metrics.json").read_text())
        assert own["config"] == asdict(teacher_config(TrainConfig(epochs=4, batch=200, threads=1)))

        class Interrupted:
            """Asks for a stop at the third step of the teacher, and at the fourth of the rest."""

            def __init__(self):
                left.append(left[0] + 1 if left else 3)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                return None

            def asked(self):
                left[-1] -= 1
                return left[-1] < 0

        left = []
        parts = [*words, str(tmp_path / "parts")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train, "_Stop", Interrupted)
            assert train.main(parts) == 130
            assert not (tmp_path / "parts" / "checkpoint.pt").exists()
            with pytest.raises(UserError, match="--resume to go on with it"):
                train.main(parts)
        assert train.main([*parts, "--resume"]) == 0
        one, other = (tmp_path / name / "digits.safetensors" for name in ("whole", "parts"))
        assert one.read_bytes() == other.read_bytes()

    def test_what_is_no_teacher_is_refused(self, teacher_run, tmp_path):
        config = TrainConfig("mnist", net="small")
        with pytest.raises(UserError, match="was trained on digits, not on mnist"):
            load_teacher(teacher_run, config)
        with pytest.raises(UserError, match="no checkpoint.pt.*--bits float, or use .*auto"):
            load_teacher(tmp_path, config)
        go(trainer(TrainConfig(batch=32)), tmp_path / "pupil", 1)
        with pytest.raises(UserError, match="is a network of 0.56 bit"):
            load_teacher(tmp_path / "pupil", TrainConfig())
        go(trainer(TrainConfig(batch=32, bits="float")), tmp_path / "begun", 1)
        with pytest.raises(UserError, match="has not ended"):
            load_teacher(tmp_path / "begun", TrainConfig())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--bits float --teacher auto", "--teacher auto is not for --bits float"),
        ("--bits float --first float", "--first float is not for --bits float"),
        ("--bits 1 --first binary", "use --first float"),
        ("--first float --first-share 0.9", "at most --settle 0.4"),
        ("--teacher {out}", "is the folder of this run"),
        ("--teacher nowhere", "--teacher nowhere: there is no checkpoint.pt"),
        ("--mixup -1", "number from 0"),
        ("--mixup nan", "number from 0"),
        ("--distil 1", "share"),
        ("--decay steps", "cosine.*linear"),
        ("--precision half", "float32.*bf16"),
    ],
)
def test_options_that_do_not_go_together(words, named, tmp_path, capsys):
    given = [*words.format(out=tmp_path / "out").split(), "--out", str(tmp_path / "out")]
    with pytest.raises((UserError, SystemExit)) as caught:
        train.main(given)
    text = str(caught.value)
    if isinstance(caught.value, SystemExit):
        text = capsys.readouterr().err.splitlines()[-1]
    assert re.search(named, text) and "\n" not in text, text
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


class TestDivergence:
    def test_not_a_number_stops_at_its_step(self, tmp_path, seed):
        run = trainer(TrainConfig(batch=32, seed=seed))
        assert not go(run, tmp_path, 7)
        good = (tmp_path / "checkpoint.pt").read_bytes()
        with torch.no_grad():
            run.net.head.weight[0, 0] = torch.nan
        with pytest.raises(CheckError, match=r"step 8 is nan; lower --rate \(it was 0.01\)"):
            go(run, tmp_path)
        assert (tmp_path / "checkpoint.pt").read_bytes() == good

    def test_a_rate_far_too_high(self, tmp_path):
        words = ["--rate", "1e9", "--warmup", "0", "--precision", "bf16", "--threads", "1"]
        with pytest.raises(CheckError, match="diverged.*lower --rate.*--warmup.*float32") as caught:
            train.main([*words, "--out", str(tmp_path)])
        assert caught.value.exit_status == 1 and "\n" not in str(caught.value)
        assert not (tmp_path / "metrics.json").exists()


class TestBf16:
    def test_digits_and_the_export_agree(self, tmp_path):
        words = ["--precision", "bf16", "--epochs", "8", "--threads", "1", "--out", str(tmp_path)]
        assert train.main(words) == 0
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        assert metrics["test_accuracy"] > 0.85 and metrics["disagreements"] == 0
        assert metrics["config"]["precision"] == "bf16" and "--precision bf16" in metrics["command"]

    @pytest.mark.parametrize("shifts", [False, True])
    def test_streams_stay_on_their_grid(self, shifts, seed):
        """Half a float's bits would leave a stream of 16 bits only 8."""
        torch.manual_seed(seed)
        net = build_net(TrainConfig(net="digits_residual", shifts=shifts))
        images = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8)
        calibrate(net, images)
        seen = {}
        for path, stream in streams_of(net).items():
            stream.register_forward_hook(lambda m, _, y, path=path: seen.update({path: (m, y)}))
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            scores = net(images)
        scores.sum().backward()
        assert scores.dtype == torch.float32 and len(seen) == len(streams_of(net))
        for stream, y in seen.values():
            whole = y.double() * 2.0**stream.fraction
            assert y.dtype == torch.float32 and torch.equal(whole, whole.round())
            assert whole.abs().max() <= 1 << (stream.bits - 1)
        # More than the 8 significant bits that a bf16 has.
        odd = (whole[whole.abs() >= 512] % 2 == 1).sum() if stream.bits > 10 else 1
        assert odd > 0


def test_older_checkpoints_resume(tmp_path, monkeypatch):
    """Options that came later count as what training did before them."""
    config = TrainConfig(batch=32)
    go(trainer(config), tmp_path, 2)
    path = tmp_path / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    for name in ("teacher", "mixup", "decay", "warmup", "first", "compile", "precision"):
        del content["config"][name]
    torch.save(content, path)
    run = trainer(config)
    run.restore(checkpoint.read(tmp_path, config))
    assert run.done == 2
    with pytest.raises(UserError, match="--mixup 0.0 instead of 0.2"):
        checkpoint.read(tmp_path, replace(config, mixup=0.2))


# Torch's tracing meets warnings of its own.
@pytest.mark.filterwarnings("ignore")
def test_compiled_steps_train_the_same_network(tmp_path, monkeypatch, seed):
    """By torch's own tracing, without the C++ that it would write."""
    real = torch.compile
    monkeypatch.setattr(compiled.torch, "compile", lambda net: real(net, backend="eager"))
    config = TrainConfig(epochs=2, batch=80, seed=seed, codebook="antipodal-refined")
    plain, traced = trainer(config), trainer(replace(config, compile=True))
    assert traced.stepped is not traced.net and plain.stepped is plain.net
    for run, folder in ((plain, tmp_path / "plain"), (traced, tmp_path / "traced")):
        assert go(run, folder)
    one, other = plain.state()["net"], traced.state()["net"]
    assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_every_option_is_recorded_and_repeated(teacher_run, tmp_path):
    words = (
        "--epochs 2 --batch 300 --threads 1 --mixup 0.1 --decay linear --warmup 0.2 --first float "
        f"--first-share 0.3 --distil 0.4 --teacher {teacher_run} --out {tmp_path}"
    ).split()
    assert train.main(words) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    said = metrics["command"].split()
    for option, value in zip(words[::2], words[1::2], strict=True):
        if option != "--out":
            assert said[said.index(option) + 1] == value
            recorded = metrics["config"][option[2:].replace("-", "_")]
            assert str(recorded) == value
    assert format.load(tmp_path / "digits.safetensors").provenance["command"] == metrics["command"]
    assert loop.rate is rate
