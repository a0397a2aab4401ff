"""``python -m sim.clean``: removes the compiled simulators that earlier runs have left."""

import argparse
from collections.abc import Sequence

from model.errors import run_command
from sim.compiled import cache

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    argparse.ArgumentParser(prog="python -m sim.clean", description=__doc__).parse_args(arguments)
    place = cache.folder()
    print(f"{cache.clean() / (1 << 20):.1f} MiB freed in {place}")


if __name__ == "__main__":
    run_command(main)
