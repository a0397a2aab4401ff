"""A command in several processes at once: who they are, and one line where one of them fails."""

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator

from model.errors import UserError
from model.training.distributed import ALONE, Ranks

__all__ = ["joined"]

# How long a process that has nothing to say waits for torchrun to end it, in seconds.
GRACE = 5.0
# What torch says where a process cannot be reached any more.
LOST = re.compile(r"(?i)connection|gloo|nccl|socket|timed out|timeout|peer")


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that torchrun's variables describe; one alone without them.

    Where processes fail, one speaks: UserError names it. The others stay silent until torchrun
    ends them, and exit with the same status where it does not.
    """
    number, count, local, here = (
        int(os.environ.get(name, default))
        for name, default in (
            ("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", 1)
        )
    )  # fmt: skip
    if count == 1:
        yield ALONE
        return
    ranks = Ranks(number, count, local, here)
    name = f"rank {number} of {count}"
    try:
        yield ranks
        ranks.leave()
    except UserError as error:
        if not ranks.speaks():
            time.sleep(GRACE)
            sys.exit(error.exit_status)
        if not ranks.connected:
            raise
        raise type(error)(f"{name}: {error}") from error
    except SystemExit as error:
        # Options that cannot be: the first process says so, if torchrun lets it.
        if error.code and not ranks.first:
            time.sleep(GRACE)
        raise
    except KeyboardInterrupt:
        if ranks.first:
            raise
        sys.exit(130)
    except RuntimeError as error:
        if not LOST.search(str(error)):
            raise
        time.sleep(GRACE)
        if not ranks.speaks():
            sys.exit(2)
        raise UserError(
            f"{name}: another process of this run has ended; start all of them again with --resume"
        ) from error
