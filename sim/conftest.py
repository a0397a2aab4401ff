"""Options of the simulation's tests."""


def pytest_addoption(parser):
    parser.getgroup("subbit").addoption(
        "--networks", type=int, default=20, help="random networks to simulate (default: 20)"
    )
