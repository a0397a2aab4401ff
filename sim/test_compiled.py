"""The compiled simulation against Amaranth's: the same tensors, cycles and complaints."""

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from hw.compiler import compile_network
from model.errors import CheckError
from sim import clean
from sim.compiled import cache
from sim.compiled.cxx import compile_library
from sim.compiled.library import build_library
from sim.compiled.simulator import CompiledHarness
from sim.compiled.toolchain import find_toolchain, missing
from sim.patience import patience
from sim.stalls import Stalls
from sim.synthetic import random_images, random_network
from sim.verify import verify

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SMALL = {"image": (2, 5, 7), "levels": 2, "channels": (4, 6), "pools": ("max2", "none")}


@pytest.fixture
def private_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_clean_empties_the_cache_and_says_how_much(private_cache, capsys):
    simulator = private_cache / "some-simulator"
    simulator.mkdir(parents=True)
    (simulator / "simulator.so").write_bytes(bytes(1 << 20))
    clean.main([])
    assert capsys.readouterr().out.startswith("1.0 MiB freed")
    assert not private_cache.exists()


def test_the_least_recently_used_go_when_the_cache_is_full(private_cache, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT_BYTES", 350)
    for number, key in enumerate("abc"):
        place = cache.cached(key, lambda work: (work / "simulator.so").write_bytes(bytes(100)))
        os.utime(place, (number, number))
    # Used again, "a" is the newest but for the one to come.
    cache.cached("a", lambda work: pytest.fail("is there already"))
    cache.cached("d", lambda work: (work / "simulator.so").write_bytes(bytes(100)))
    assert sorted(place.name for place in private_cache.iterdir()) == ["a", "c", "d"]


@pytest.mark.slow
@pytest.mark.parametrize(("array", "pixels"), [("shared", 40), ("direct", 7)])
def test_both_engines_show_the_same(array, pixels, private_cache, seed):
    network = random_network(seed, **SMALL)
    program = compile_network(network, array=array, pixels=pixels, channels=2)
    images = random_images(seed, network, 5)
    python, compiled = (
        verify(program, images, engine=engine) for engine in ("python", "compiled")
    )
    assert python.problem is None and compiled.problem is None
    assert compiled.recording.cycles == python.recording.cycles
    assert compiled.recording.results == python.recording.results
    assert compiled.recording.starts == python.recording.starts
    assert list(compiled.recording.timeline) == python.recording.timeline
    for one, other in zip(compiled.recording.images, python.recording.images, strict=True):
        assert np.array_equal(one.planes, other.planes)
        assert all(map(np.array_equal, one.activations, other.activations))
        assert np.array_equal(one.scores, other.scores) and one.label == other.label

    # The second run finds the simulator; stalls change when results come, and nothing else.
    stalled = verify(program, images, engine="compiled", stalls=Stalls(seed, pause=0.3, block=99))
    assert stalled.problem is None
    assert stalled.recording.results != compiled.recording.results
    assert len(list(private_cache.glob("*/simulator.so"))) == 1
    assert cache.clean() > 0 and not private_cache.exists()


@pytest.mark.slow
def test_a_wrong_value_and_a_hang_are_named(private_cache, seed):
    network = random_network(seed, **SMALL)
    program = compile_network(network, pixels=8, channels=2)
    images = random_images(seed, network, 3)
    flipped = [*program.images.thresholds]
    flipped[0] ^= 1
    wrong = replace(program, images=replace(program.images, thresholds=tuple(flipped)))
    problem = verify(wrong, images, engine="compiled").problem
    assert "image 0, layer conv1: channel 0, row 0, column 0: expected" in problem
    library = build_library(program, find_toolchain())
    harness = CompiledHarness(library, program, images, patience=3)
    with pytest.raises(CheckError, match="hangs.*in layer .*, phase "):
        harness.run()


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch, seed):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(blocker / "cache"))
    network = random_network(seed, image=(1, 2, 2), channels=(2,), pools=("none",), levels=1)
    program = compile_network(network, pixels=4, channels=1)
    verdict = verify(program, random_images(seed, network, 2), engine="compiled")
    assert verdict.problem is None
    assert find_toolchain().versions


def test_ctrl_c_ends_the_compilers(tmp_path, monkeypatch, seed):
    """A compiler that never ends: Ctrl-C must not wait for it."""
    compiler = tmp_path / "slow-compiler"
    compiler.write_text("#!/bin/sh\nexec sleep 60\n")
    compiler.chmod(0o755)
    (tmp_path / "one.cpp").write_text("")
    tools = replace(find_toolchain(), compiler=str(compiler))
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    ctrl_c = (threading.main_thread().ident, signal.SIGINT)
    threading.Timer(0.5, signal.pthread_kill, ctrl_c).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        compile_library(tmp_path, tmp_path / "simulator.so", [], tools)
    assert time.monotonic() - started < patience(3)
