"""start.py: when an environment is made anew, what is said when it cannot be."""

import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def start():
    """start.py as a module; it is no part of any package."""
    spec = importlib.util.spec_from_file_location("start", ROOT / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "start.py", *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_imports_the_standard_library_only(start):
    code = (
        "import sys, runpy\n"
        f"runpy.run_path({str(ROOT / 'start.py')!r})\n"
        "tops = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(tops - set(sys.stdlib_module_names) - {'__main__'}))\n"
    )
    # -S and -I: without what this environment brings along by itself.
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_constraints_are_the_lock(start):
    packages = tomllib.loads((ROOT / "pdm.lock").read_text("utf-8"))["package"]
    lines = start.constraints().splitlines()
    assert {line.split("==")[0] for line in lines} == {package["name"] for package in packages}
    assert len(lines) == len(set(lines))


def test_stamp_changes_with_what_it_names(start, tmp_path, monkeypatch):
    for name in ("pyproject.toml", "pdm.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    here = start.stamp()
    monkeypatch.setattr(start, "ROOT", tmp_path)
    moved = start.stamp()
    (tmp_path / "pyproject.toml").write_text("changed")
    changed = start.stamp()
    assert len({here, moved, changed}) == 3
    assert changed == start.stamp()


def test_environment_that_is_up_to_date_is_left_alone(start, tmp_path, monkeypatch):
    python = start.environment_python(tmp_path)
    python.parent.mkdir(parents=True)
    python.touch()
    (tmp_path / start.STAMP).write_text(start.stamp())
    monkeypatch.setattr(start, "run_step", lambda *_: pytest.fail("nothing to do"))
    assert start.make_environment(tmp_path) == python


def test_python_without_venv(start, tmp_path, monkeypatch):
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(start.StartError, match="no venv module"):
        start.make_environment(tmp_path / "venv")
    assert not (tmp_path / "venv").exists()


def test_folder_of_other_things_is_left_alone(start, tmp_path):
    (tmp_path / "precious").touch()
    with pytest.raises(start.StartError, match="no virtual environment"):
        start.make_environment(tmp_path)
    assert (tmp_path / "precious").exists()


def test_failing_step_tells_its_reason(start, tmp_path, capsys):
    code = "print('WARNING: x'); print('ERROR: no such thing'); raise SystemExit(3)"
    with pytest.raises(start.StartError, match=r"Doing failed: ERROR: no such thing"):
        start.run_step("Doing", [sys.executable, "-c", code], tmp_path / "log")


def test_long_step_shows_signs_of_life(start, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(start, "QUIET_SECONDS", 0.3)
    code = "import time; print('halfway', flush=True); time.sleep(1.5)"
    start.run_step("Doing", [sys.executable, "-c", code], tmp_path / "log")
    lines = capsys.readouterr().out.splitlines()
    assert sum("halfway" in line for line in lines) >= 2
    assert "done in" in lines[-1]


@pytest.mark.slow
def test_no_network(tmp_path):
    """pip is sent to a port of this machine where nobody listens."""
    alone = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_CACHE_DIR": "1"}
    alone |= {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "1", "PIP_FIND_LINKS": ""}
    done = call("--venv", tmp_path / "venv", "demo", **alone)
    assert done.returncode == 2
    assert "no package index can be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    done = call("--venv", tmp_path / "file" / "venv", "test")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "file" in done.stderr


def test_unknown_command():
    done = call("fly")
    assert done.returncode == 2
    assert "demo" in done.stderr
