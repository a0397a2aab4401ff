"""The folder that a build writes into: there, writable, and free of an earlier run's results."""

from pathlib import Path

from hw.flow.netlist import DESIGN
from hw.flow.report import remove_report
from model.errors import UserError
from model.files import make_folder

__all__ = ["prepare_folder"]

# What an earlier run may have left and a failing one must not leave beside its own files.
RESULTS = (
    "json", "stat.json", "timing.json", "config", "fasm", "frames", "bit", "asc", "bin", "pnr.json",
    "fs",
)  # fmt: skip
VIVADO_RESULTS = ("_timing.rpt", "_utilization_place.rpt")


def prepare_folder(folder: Path) -> None:
    """Make the folder, try to write into it, and remove the results of an earlier run.

    Raises UserError where it cannot be written.
    """
    make_folder(folder)
    try:
        remove_report(folder)
        for name in (*(f".{suffix}" for suffix in RESULTS), *VIVADO_RESULTS):
            (folder / f"{DESIGN}{name}").unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"folder {folder} cannot be written ({error.strerror}): choose another with --out"
        ) from error
