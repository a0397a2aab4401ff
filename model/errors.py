"""What a command says when it cannot go on: one line, an exit status, no traceback."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

__all__ = ["CheckError", "OneLineParser", "UserError", "run_command"]


class UserError(Exception):
    """The input cannot be used; the message names the thing, the limit and what to change."""

    exit_status = 2


class CheckError(UserError):
    """The work was done and its result is bad: a mismatch, missed timing, a design too large."""

    exit_status = 1


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other bad input is told."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def run_command(main: Callable[[], int | None]) -> None:
    """Run a command's ``main`` and exit: its status, 2 or 1 for a user error, 130 for Ctrl-C."""
    try:
        sys.exit(main() or 0)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # The reader of our output (head, a pager) has gone: nothing to tell anybody.
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
