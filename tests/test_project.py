"""The project as a whole: its lock file, who may import what, what no file may hold."""

import ast
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
NUMPY_ONLY = [
    "bits", "codebooks", "cost", "dataset_files", "datasets", "errors", "format", "golden",
    "nets", "shipped", "train", "convert.__main__", "convert.source", "export_onnx",
    "inspect.__main__", "inspect.books", "inspect.curves", "inspect.run",
]  # fmt: skip


def toml(name: str) -> dict:
    return tomllib.loads((ROOT / name).read_text("utf-8"))


def source_files() -> list[Path]:
    """Every file of the repository that git does not ignore."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    found = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("not a git checkout")
    return [path for name in found.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def modules(package: str) -> list[str]:
    """Names of a package's modules, its tests left out."""
    paths = sorted((ROOT / package).rglob("*.py"))
    paths = [path for path in paths if not path.name.startswith(("test_", "conftest"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names]


def test_lock_was_made_from_pyproject():
    """The hash that PDM compares (pdm/project/project_file.py, content_hash), recomputed."""
    project = toml("pyproject.toml")
    settings = project.get("tool", {}).get("pdm", {})
    content = {
        "sources": settings.get("source", []),
        "dependencies": project["project"].get("dependencies", []),
        "dev-dependencies": settings.get("dev-dependencies", {}),
        "optional-dependencies": project["project"].get("optional-dependencies", {}),
        "requires-python": project["project"].get("requires-python", ""),
        "resolution": settings.get("resolution", {}),
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert "dependency-groups" not in project, "PDM hashes these too: teach this test"
    assert toml("pdm.lock")["metadata"]["content_hash"] == f"sha256:{digest}", "run: pdm lock"


def test_lock_satisfies_every_requirement():
    project, lock = toml("pyproject.toml")["project"], toml("pdm.lock")
    groups = {"default": project["dependencies"], **project["optional-dependencies"]}
    assert set(lock["metadata"]["groups"]) == set(groups)
    locked = {package["name"]: package for package in lock["package"]}
    for group, requirements in groups.items():
        for requirement in map(Requirement, requirements):
            package = locked[requirement.name.lower()]
            assert requirement.specifier.contains(package["version"]), requirement
            assert group in package["groups"], requirement


def test_lock_names_no_address():
    assert "://" not in (ROOT / "pdm.lock").read_text("utf-8")


@pytest.mark.parametrize("package", ["hw", "sim", "model"])
def test_torch_is_for_training_only(package: str):
    """Simulating, building and reading networks works where torch is not installed."""
    names = [f"model.{name}" for name in NUMPY_ONLY] if package == "model" else modules(package)
    code = (
        "import importlib, sys\n"
        "sys.modules['torch'] = None  # an import of torch now fails\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT, stderr=subprocess.PIPE)
    assert not done.returncode, done.stderr.decode()


def test_model_knows_nothing_of_the_hardware():
    for path in (ROOT / "model").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top not in ("hw", "sim", "amaranth"), f"{path.relative_to(ROOT)}: {name}"


def test_no_address_or_path_of_one_machine():
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "download." + "pytorch.org"]
    places = ["/" + name + "/" for name in ("work", "root", "home", "opt/pypi", "opt/wheels")]
    forbidden = re.compile("|".join(map(re.escape, hosts + places)))
    found = []
    for path in source_files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # an image or a network
        found += [f"{path.relative_to(ROOT)}: {hit}" for hit in forbidden.findall(text)]
    assert not found


def test_linter_has_nothing_to_say():
    ruff = [sys.executable, "-m", "ruff", "check", "--quiet", "."]
    done = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stdout
