"""The connection to a Dask cluster, and whether the project there is the one here."""

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from model.errors import UserError
from sim.workers.remote import fingerprint

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["check_scheduler", "check_workers", "connected", "lost"]

CONNECT_SECONDS = 8
ANSWER_SECONDS = 1
CLOSE_SECONDS = 1


@contextlib.contextmanager
def connected(address: str) -> Iterator["Client"]:
    """A client of the scheduler at ``address``; raises UserError where none answers in time."""
    found: list[Client | Exception] = []
    # In a thread, since Dask waits for ever for one that takes the call and then says nothing.
    thread = threading.Thread(target=_connect, args=(address, found), daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS + ANSWER_SECONDS)
    client = found[0] if found else TimeoutError("something listens there and does not answer")
    if isinstance(client, Exception):
        raise UserError(
            f"--scheduler {address}: no Dask scheduler can be reached there "
            f"({_first_line(client)}): give the address that 'dask scheduler' printed, like "
            "tcp://host:8786"
        ) from client
    try:
        yield client
    finally:
        # The scheduler forgets what a client wanted that has gone, whether it answers now or not.
        with contextlib.suppress(Exception):
            client.close(timeout=CLOSE_SECONDS)


def _connect(address: str, found: "list[Client | Exception]") -> None:
    from distributed import Client

    try:
        found.append(Client(address, timeout=CONNECT_SECONDS, set_as_default=False))
    except Exception as error:
        # Whatever listens there: the kinds of errors are as many.
        found.append(error)


def check_scheduler(client: "Client", address: str) -> None:
    """The scheduler reads the tasks, and so must have this very project."""
    try:
        answer = client.run_on_scheduler(fingerprint)
    except OSError as error:
        raise lost(address) from error
    except Exception as error:
        answer = error
    _compare(answer, "the scheduler", address)


def check_workers(client: "Client", address: str, workers: set[str]) -> None:
    """So must every worker, also one that comes later."""
    answers = client.run(fingerprint, workers=sorted(workers), on_error="return")
    for worker, answer in answers.items():
        # An OSError is a worker that went at this moment.
        if not isinstance(answer, OSError):
            _compare(answer, f"the worker at {worker}", address)


def _compare(answer: str | Exception, who: str, address: str) -> None:
    """Raises UserError where `fingerprint` could not be run there, or not this project's."""
    if isinstance(answer, Exception):
        raise UserError(
            f"--scheduler {address}: {who} cannot import this project ({_first_line(answer)}): "
            "install the same version of subbit, and what it depends on, in the whole cluster"
        ) from answer
    if answer != fingerprint():
        raise UserError(
            f"--scheduler {address}: {who} has another version of this project: install the same "
            "one there and here"
        )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def lost(address: str) -> UserError:
    """The error for a scheduler that has gone."""
    return UserError(f"--scheduler {address}: the connection to the Dask scheduler was lost")
