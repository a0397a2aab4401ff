"""The simulators' cache and its lock: one builds, the others wait, and the dead do not count."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from model.errors import UserError
from sim.compiled import cache
from sim.compiled.lock import fcntl, locked

ROOT = Path(__file__).parent.parent
PAUSE = 0.3

needs_locks = pytest.mark.skipif(fcntl is None, reason="this system has no fcntl")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(work):
    (work / "simulator.so").write_text("built")


@needs_locks
def test_the_second_waits_for_the_first(place):
    built, waited = [], []

    def slowly(work):
        time.sleep(PAUSE)
        built.append(work)
        build(work)

    def want():
        found.append(cache.cached("key", slowly, lambda: waited.append(True)))

    found = []
    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [place / "key"] * 4
    assert len(built) == 1 and len(waited) == 3
    assert [entry.name for entry in place.iterdir()] == ["key"]


@needs_locks
def test_a_lock_dies_with_its_process(place):
    place.mkdir()
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom sim.compiled.lock import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(place / ".key.lock")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        killer = threading.Timer(PAUSE, os.kill, [holder.pid, signal.SIGKILL])
        killer.start()
        waited = []
        assert cache.cached("key", build, lambda: waited.append(True)) == place / "key"
        assert waited
        killer.join()
    assert [entry.name for entry in place.iterdir()] == ["key"]


def test_a_build_that_fails_leaves_nothing_and_the_next_one_succeeds(place):
    with pytest.raises(ZeroDivisionError):
        cache.cached("key", lambda work: 1 / 0)
    assert list(place.iterdir()) == []
    assert cache.cached("key", build) == place / "key"


def test_two_keys_are_built_at_the_same_time(place):
    """The one that is done first does not take the other's unfinished files for rubbish."""
    started = threading.Event()
    both = []

    def slowly(work):
        (work / "large").write_bytes(bytes(1000))
        started.set()
        time.sleep(PAUSE)
        build(work)
        both.append((work / "large").exists())

    thread = threading.Thread(target=cache.cached, args=("slow", slowly))
    thread.start()
    started.wait()
    limit, cache.LIMIT_BYTES = cache.LIMIT_BYTES, 10
    try:
        cache.cached("quick", build)
    finally:
        cache.LIMIT_BYTES = limit
    thread.join()
    assert both == [True]
    assert sorted(entry.name for entry in place.iterdir()) == ["quick", "slow"]


def test_what_a_killed_run_left_goes_after_a_while(place, monkeypatch):
    left = place / f"{cache.BUILDING}x"
    left.mkdir(parents=True)
    (left / "large").write_bytes(bytes(1000))
    monkeypatch.setattr(cache, "LIMIT_BYTES", 500)
    cache.cached("one", build)
    assert left.exists()
    old = time.time() - cache.ABANDONED_SECONDS - 1
    os.utime(left, (old, old))
    cache.cached("two", build)
    assert sorted(entry.name for entry in place.iterdir()) == ["one", "two"]


def test_without_a_folder_the_work_goes_on_without_a_lock(tmp_path):
    with locked(tmp_path / "no folder" / "lock"):
        pass
    assert not list(tmp_path.iterdir())


def test_where_the_cache_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "cache"))
    found = cache.cached("key", build)
    assert (found / "simulator.so").read_text() == "built"
    assert tmp_path not in found.parents


def test_where_the_cache_is_full(place, monkeypatch):
    usage = cache.shutil.disk_usage(place.parent)
    tried = []

    def build_where_there_is_room(work):
        tried.append(work)
        if work.parent == place:
            raise UserError("verilator failed: no space left")
        build(work)

    with pytest.raises(UserError):
        cache.cached("key", build_where_there_is_room)

    def little_room(path):
        return usage._replace(free=1000) if path.is_relative_to(place) else usage

    monkeypatch.setattr(cache.shutil, "disk_usage", little_room)
    found = cache.cached("key", build_where_there_is_room)
    assert found == tried[-1] and (found / "simulator.so").exists()
    assert list(place.iterdir()) == []
