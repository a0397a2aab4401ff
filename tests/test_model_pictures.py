"""ImageNet's folder tree, made up small: layout, crops, broken files, workers, a whole run."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from model import datasets, format, train  # noqa: E402
from model.errors import UserError  # noqa: E402
from model.folder_images import (  # noqa: E402
    BrokenImageError,
    _random_box,
    middle_crop,
    random_crop,
    read_trees,
)
from model.nets import NETS, ResNetConfig  # noqa: E402
from model.training.distributed import ALONE, Ranks  # noqa: E402
from model.training.streamed import Streamed  # noqa: E402

PAGE = datasets.source("imagenet").page
SIZE = 24


def tree(root: Path, seed: int, each: int = 4) -> Path:
    """Pictures of two classes: one red, one blue, with a bright left half; odd sizes and modes."""
    rng = np.random.default_rng(seed)
    for part, count in (("train", each), ("val", 2)):
        for name, colour in (("n01440764", (200, 30, 20)), ("n01443537", (20, 30, 200))):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                width, height = rng.integers(30, 200, 2)
                pixels = np.full((height, width, 3), colour, np.uint8)
                pixels[:, : width // 2] += 50
                Image.fromarray(pixels).save(folder / f"{name}_{number}.JPEG", quality=95)
    return root


def streamed(
    folder: Path, broken: str = "skip", workers: int = 0, ranks: Ranks = ALONE
) -> Streamed:
    return Streamed(
        read_trees(folder, PAGE)[0], (3, SIZE, SIZE), 1, True, broken, workers, "cpu", ranks
    )


def damage(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:400])
    return path


def test_a_tree_is_read_in_the_order_of_its_classes(tmp_path, seed):
    train_tree, test_tree = read_trees(tree(tmp_path, seed), PAGE)
    assert train_tree.classes == ("n01440764", "n01443537") == test_tree.classes
    assert train_tree.labels.tolist() == [0] * 4 + [1] * 4 and len(test_tree) == 4
    assert train_tree.path(5) == tmp_path / "train/n01443537/n01443537_1.JPEG"
    # Folders below a class count to it, other files do not; letters may be small or large.
    below = tmp_path / "train/n01440764/more"
    below.mkdir()
    Image.new("L", (40, 40)).save(below / "grey.PNG")
    (below / "notes.txt").write_text("")
    assert read_trees(tmp_path, PAGE)[0].labels.tolist() == [0] * 5 + [1] * 4


def test_trees_that_cannot_be_used(tmp_path, seed):
    with pytest.raises(UserError, match=r"--data DIR; .*image-net\.org"):
        read_trees(None, PAGE)
    with pytest.raises(UserError, match=r"no folder .*train: .*val/CLASS/.*image-net\.org"):
        read_trees(tmp_path, PAGE)
    tree(tmp_path, seed)
    (tmp_path / "val/n01443537").rename(tmp_path / "val/n02")
    with pytest.raises(UserError, match="class n01443537 has pictures in train/ and none in val/"):
        read_trees(tmp_path, PAGE)
    for path in list((tmp_path / "val").rglob("*.JPEG")):
        path.rename(tmp_path / "val" / path.name)
    with pytest.raises(UserError, match="its 4 pictures must lie in a folder for each class"):
        read_trees(tmp_path, PAGE)


def test_crops_show_the_picture_at_the_right_size_and_place(tmp_path, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (64, 96, 3)).astype(np.uint8)
    pixels = np.kron(pixels[::8, ::8], np.ones((8, 8, 1), np.uint8))
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    # The middle 56 of 64 rows: at that size nothing is resized.
    expected = pixels[4:60, 20:76].transpose(2, 0, 1)
    assert np.array_equal(middle_crop(path, 56), expected)
    one, two, other = (random_crop(path, SIZE, True, np.random.default_rng(s)) for s in (5, 5, 6))
    assert one.shape == (3, SIZE, SIZE) and one.dtype == np.uint8
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    left = np.zeros((40, 40, 3), np.uint8)
    left[:, :20] = 255
    Image.fromarray(left).save(path)
    crops = [random_crop(path, 8, flip, rng) for flip in (False, True) for _ in range(60)]
    # Unless mirrored, the left is the brighter side.
    dark = [crop[..., :4].mean() < crop[..., 4:].mean() for crop in crops]
    assert not any(dark[:60]) and 8 < sum(dark[60:]) < 52
    for mode in ("L", "RGBA", "P", "CMYK", "1"):
        name = tmp_path / f"{mode}.tif"
        Image.new(mode, (1, 300)).save(name)
        assert middle_crop(name, SIZE).shape == random_crop(name, SIZE, True, rng).shape


def test_random_boxes_lie_within_and_cover_what_they_should(seed):
    rng = np.random.default_rng(seed)
    for width, height in ((500, 375), (1, 1), (3, 400), (400, 3)):
        for _ in range(200):
            left, top, right, bottom = _random_box(width, height, rng)
            assert 0 <= left < right <= width and 0 <= top < bottom <= height
            if width == 500:
                w, h = right - left, bottom - top
                assert 0.07 < w * h / (width * height) <= 1 and 0.72 < w / h < 1.36


def test_large_jpegs_are_decoded_small(tmp_path):
    """At an eighth where that is enough; the picture stays the same."""
    ramp = np.linspace(0, 255, 1024).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (1024, 1)), np.tile(ramp[:, None], (1, 1024))] * 2, 2)[..., :3]
    path = tmp_path / "large.jpg"
    Image.fromarray(pixels).save(path, quality=95)
    exact = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BOX, (64, 64, 960, 960))
    apart = middle_crop(path, 64).astype(int) - np.asarray(exact).transpose(2, 0, 1)
    assert np.abs(apart).max() <= 4


@pytest.mark.parametrize("kind", ["cut", "text", "empty"])
def test_broken_pictures_are_named(kind, tmp_path, seed):
    path = tree(tmp_path, seed) / "train/n01440764/n01440764_2.JPEG"
    damage(path) if kind == "cut" else path.write_text("no picture" if kind == "text" else "")
    rng = np.random.default_rng(seed)
    for crop in (lambda: middle_crop(path, SIZE), lambda: random_crop(path, SIZE, True, rng)):
        with pytest.raises(BrokenImageError, match=rf"{re.escape(str(path))}: cannot be decoded: "):
            crop()
    with pytest.raises(UserError, match="n01440764_2.JPEG: cannot .*; --broken skip leaves such"):
        list(streamed(tmp_path, "refuse").held_out(lambda: None))


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_pictures_are_skipped_and_counted(workers, tmp_path, seed, capsys):
    damage(tree(tmp_path, seed) / "train/n01440764/n01440764_2.JPEG")
    data = streamed(tmp_path, workers=workers)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(seed))
    seen = []
    for epoch in (0, 1):
        data.begin(epoch, order.split(4))
        for chosen in order.split(4):
            images, labels = data.take(chosen)
            # In its place comes the next one, of the same class here.
            assert images.shape == (4, 3, SIZE, SIZE)
            assert torch.equal(labels, (chosen >= 4).long())
            assert torch.equal((images[:, 2].float().mean((1, 2)) > 128).long(), labels)
            seen.append(images)
        assert data.skipped() == 1
    assert capsys.readouterr().out.count("n01440764_2.JPEG: cannot be decoded") == 1
    assert not torch.equal(seen[0], seen[2])
    tested = [labels for _, labels in data.held_out(lambda: None)]
    assert torch.cat(tested).tolist() == [0] * 3 + [1] * 4 and data.skipped() == 1
    assert data.some(100).shape == (7, 3, SIZE, SIZE) and len(data.some(2)) == 2


def test_ranks_and_workers_see_the_same_pictures(tmp_path, seed):
    """One process's batch is those of two, whoever decodes; an epoch may begin in its middle."""
    tree(tmp_path, seed)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(seed))
    parts = []
    for ranks, workers in ((ALONE, 0), (Ranks(0, 2), 0), (Ranks(1, 2), 1)):
        data = streamed(tmp_path, workers=workers, ranks=ranks)
        data.begin(3, order.split(4)[1:])
        parts.append(data.take(order[4:])[0])
    assert torch.equal(parts[0], torch.cat(parts[1:]))
    tests = [
        torch.cat([labels for _, labels in streamed(tmp_path, ranks=Ranks(n, 2)).held_out(int)])
        for n in (0, 1)
    ]
    assert sorted(torch.cat(tests).tolist()) == [0] * 4 + [1] * 4


def test_a_whole_run_from_pictures_to_an_export(tmp_path, seed, monkeypatch, capsys):
    monkeypatch.setitem(
        NETS,
        "resnet18_imagenet",
        ResNetConfig("tiny", (3, SIZE, SIZE), ((8, 1), (16, 1)), kernel=7, stride=2, pool=True),
    )
    facts = datasets.source("imagenet")
    small = datasets.Source(facts.page, (3, SIZE, SIZE), facts.sizes, ())
    monkeypatch.setitem(datasets._SOURCES, "imagenet", small)
    damage(tree(tmp_path / "data", seed, 8) / "train/n01443537/n01443537_3.JPEG")
    out = tmp_path / "out"
    words = ["--dataset", "imagenet", "--data", str(tmp_path / "data"), "--out", str(out)]
    words += ["--net", "resnet18_imagenet", "--epochs", "3", "--batch", "4", "--threads", "1"]
    words += ["--workers", "1", "--rate", "0.01", "--device", "cpu"]
    with pytest.raises(UserError, match="n01443537_3.JPEG: cannot be decoded"):
        train.main([*words, "--broken", "refuse"])
    with pytest.raises(UserError, match="--batch 64: there are only 16 training pictures"):
        train.main([*words, "--batch", "64"])
    assert train.main([*words, "--restart"]) == 0
    said = capsys.readouterr().out
    assert "imagenet: 16 images to train on, 4 held out" in said
    network = format.load(out / "imagenet.safetensors")
    assert network.head.classes == 2 and network.image == (3, SIZE, SIZE)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["skipped"] for line in lines] == [1, 1, 1]
    assert json.loads((out / "metrics.json").read_text())["test_images"] == 4
    # With another class in the folder the checkpoint does not fit any more.
    for part in ("train", "val"):
        os.makedirs(tmp_path / "data" / part / "n03")
        Image.new("RGB", (50, 50)).save(tmp_path / "data" / part / "n03" / "black.png")
    with pytest.raises(UserError, match="the checkpoint is of another network"):
        train.main([*words, "--resume"])
