"""Keeps Dask's log off our standard error: what users must know we say ourselves, in a line."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

__all__ = ["quiet"]

PREFIXES = ("distributed", "tornado", "asyncio")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While this lasts, Dask and what it is built on log and warn of nothing.

    A connection that closes at Ctrl-C, or a worker that goes, would otherwise be a page of text.
    """
    loggers = [
        logger
        for name, logger in logging.root.manager.loggerDict.items()
        if name.split(".")[0] in PREFIXES and isinstance(logger, logging.Logger)
    ]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in before:
            logger.setLevel(level)
