"""Options that every test shares, whichever folder pytest is given: --seed=N and --data=DIR.

With the equals sign: before pytest has read this file it takes a lone DIR for a place of tests.
"""

import os
import signal
from pathlib import Path

import pytest

# One thread a test process: workers side by side must not fight for the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Started in the background, as CI may be, a shell lets us ignore Ctrl-C, and every command that a
# test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DATA_VARIABLE = "SUBBIT_DATA"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("subbit")
    group.addoption("--seed", type=int, default=1, help="seed of every random test (default: 1)")
    group.addoption(
        "--data",
        metavar="DIR",
        default=os.environ.get(DATA_VARIABLE),
        help="folder of MNIST, FashionMNIST and CIFAR-10 in their official files; tests that need "
        f"them are skipped without (default: the environment variable {DATA_VARIABLE})",
    )


def pytest_report_header(config: pytest.Config) -> str:
    data = config.getoption("--data")
    return f"subbit: --seed={config.getoption('--seed')} --data={data or '(none)'}"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run; a failing test shows it with its captured output."""
    value = request.config.getoption("--seed")
    print(f"seed {value} (the same again: pytest {request.node.nodeid} --seed={value})")
    return value


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder given by --data; skips the test when there is none."""
    value = request.config.getoption("--data")
    if not value:
        pytest.skip(f"needs the real data sets: pass --data=DIR or set {DATA_VARIABLE}")
    path = Path(value)
    if not path.is_dir():
        pytest.fail(f"--data={path} is no folder")
    return path
