"""Options of the simulation's tests: --networks=N and --engine=python|compiled|both.

Tests that check the hardware through either engine take the fixture ``sim_engine``. Left to itself,
each runs on Amaranth's simulator, and those marked ``both_engines`` on the compiled one too: a
circuit takes seconds to compile, and what is in it is the same. The compiled one is skipped where
it cannot be built.
"""

import os

import pytest

from sim.compiled import cache
from sim.compiled.toolchain import missing
from sim.verify import ENGINES

BOTH = "both"


def pytest_addoption(parser):
    group = parser.getgroup("subbit")
    group.addoption(
        "--networks", type=int, default=20, help="random networks to simulate (default: 20)"
    )
    group.addoption(
        "--engine",
        choices=(*ENGINES, BOTH),
        help="engine of the tests that check the hardware (default: python, and for some both)",
    )


def pytest_generate_tests(metafunc):
    if "sim_engine" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--engine")
        marked = metafunc.definition.get_closest_marker("both_engines")
        if chosen == BOTH or (chosen is None and marked):
            engines = ENGINES
        else:
            engines = [chosen or "python"]
        metafunc.parametrize("sim_engine", engines, indirect=True)


@pytest.fixture
def sim_engine(request) -> str:
    """The engine to simulate with."""
    if request.param == "compiled" and missing():
        pytest.skip(missing())
    return request.param


@pytest.fixture(scope="session", autouse=True)
def simulators_of_the_tests(tmp_path_factory):
    """A cache of compiled simulators for this test session alone, shared by its workers."""
    before = os.environ.get(cache.VARIABLE)
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ[cache.VARIABLE] = str(shared / "simulators")
    yield
    if before is None:
        del os.environ[cache.VARIABLE]
    else:
        os.environ[cache.VARIABLE] = before
