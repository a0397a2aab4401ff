"""Time limits of tests, in seconds of a machine that has a core for everybody."""

import os

__all__ = ["patience"]


def patience(seconds: float) -> float:
    """The limit here and now: longer by as much as more processes want to run than can.

    A limit in wall time is a promise to a user at an idle machine; tests run beside other tests.
    """
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
