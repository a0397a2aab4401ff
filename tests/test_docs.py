"""What the documents show is tried: the reader of docs/format.md, the commands of the README."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from graph_networks import NETWORKS

from model import golden
from model.format import save
from model.shipped import DEFAULT, load_model, resolve
from sim.synthetic import random_images, random_network

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def reader() -> dict:
    (code,) = blocks("docs/format.md", "python")
    names = {}
    exec(compile(code, "docs/format.md", "exec"), names)
    return names


def test_reader_agrees_on_the_shipped_network(reader, seed):
    network = load_model(DEFAULT)
    images = random_images(seed, network, 20)
    description, tensors = reader["read"](resolve(DEFAULT))
    found = [reader["classify"](description, tensors, image) for image in images]
    assert found == golden.classify(network, images).tolist()


@pytest.mark.parametrize("tau", [3, 4, 5, 6, 9])
@pytest.mark.parametrize(("image", "strides"), [((1, 8, 8), (1, 1)), ((3, 7, 5), (1, 2))])
def test_reader_agrees_on_random_networks(reader, seed, tau, image, strides, tmp_path):
    network = random_network(
        seed, image=image, tau=tau, antipodal=tau == 5, channels=(5, 11), strides=strides,
        pools=("none", "max2"),
    )  # fmt: skip
    save(network, tmp_path / "network")
    images = random_images(seed, network, 8)
    description, tensors = reader["read"](tmp_path / "network")
    for place, conv in enumerate(network.convs):
        weights = reader["weights"](description["layers"][place], tensors, place)
        numbers = (weights.reshape(*conv.indices.shape, 9) > 0) @ (1 << np.arange(9))
        assert np.array_equal(numbers, conv.kernels)
    found = [reader["classify"](description, tensors, image) for image in images]
    assert found == golden.classify(network, images).tolist()


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_reader_agrees_on_networks_of_version_three(reader, seed, make, tmp_path):
    network = make(seed)
    save(network, tmp_path / "network")
    images = random_images(seed, network, 8)
    description, tensors = reader["read"](tmp_path / "network")
    found = [reader["scores"](description, tensors, image) for image in images]
    assert np.array_equal(found, golden.trace(network, images).scores)


def test_reader_refuses_an_altered_file(reader, tmp_path):
    blob = bytearray(resolve(DEFAULT).read_bytes())
    blob[-100] ^= 1
    (tmp_path / "network").write_bytes(blob)
    with pytest.raises(AssertionError, match="altered"):
        reader["read"](tmp_path / "network")


def commands() -> dict[str, set[str]]:
    """Modules that the README runs, and the options it gives them."""
    found = {}
    text = "\n".join(blocks("README.md", "(?:sh|console)")).replace("\\\n", " ")
    for module, rest in re.findall(r"python3? -m ([\w.]+)([^\n#]*)", text):
        found.setdefault(module, set()).update(re.findall(r"(?<=\s)--[\w-]+", rest))
    return found


def test_readme_shows_commands():
    assert {"model.train", "sim.run", "hw.build"} <= set(commands())


@pytest.mark.parametrize(("module", "options"), commands().items(), ids=commands())
def test_readme_commands_exist(module, options):
    assert importlib.util.find_spec(module), f"README.md runs {module}"
    if module.split(".")[0] not in ("hw", "model", "sim"):
        return
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    for option in options:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", told.stdout), f"{module} {option}"


def test_relative_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = page.read_text("utf-8")
        targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"", text)
        for target in (a or b for a, b in targets):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
