"""Where the open flow's databases lie: a router's chip database, prjxray's part database.

None of them comes with this package. Looked for in this order: what environment variables name, as
openXC7's installers set them; folders beside the router's program; where packages put them.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from hw.flow.xc7.router import MAINLINE, Router
from model.errors import UserError

__all__ = ["chip_database", "chip_names", "die_of", "part_database"]

CHIP_VARIABLES = ("CHIPDB", "ARTIX7_CHIPDB", "CHIPDB_DIR", "NEXTPNR_XILINX_DIR")
PART_VARIABLE = "PRJXRAY_DB_DIR"
# Below the folder above the program's.
_CHIPS_BESIDE = (
    "chipdb",
    "share/nextpnr/xilinx-chipdb",
    "share/nextpnr/chipdb",
    "share/nextpnr/himbaechel/xilinx",
    "share/himbaechel/xilinx",
    "bin/share/himbaechel/xilinx",
)
_PARTS_BESIDE = ("share/nextpnr/prjxray-db", "share/nextpnr/external/prjxray-db")
_PACKAGES = ("/opt/openxc7", "/usr", "/usr/local", "~/.apio/packages/openxc7")
_SNAP = "/snap/openxc7/current/opt/nextpnr-xilinx"
# The 35T is a 50T of which less is sold: one die.
_DIES = {"xc7a35t": "xc7a50t"}


def die_of(part: str) -> str:
    """The die of a part: "xc7a50t" of "xc7a35tcsg324-1"."""
    device = part.partition("csg")[0]
    return _DIES.get(device, device)


def chip_names(part: str, router: Router) -> tuple[str, ...]:
    """What a router's chip database of a part may be called."""
    if router.tool == MAINLINE:
        return (f"chipdb-{die_of(part)}.bin",)
    return f"{part.rpartition('-')[0]}.bin", f"{part}.bin", f"{part.partition('csg')[0]}.bin"


def chip_database(part: str, router: Router, program: Path) -> Path | None:
    """The chip database that the router wants; None where there is none.

    A router takes that of another die without a word, so it has to have the right name. Raises
    UserError where an environment variable names a file of another name.
    """
    names = chip_names(part, router)
    for folder in _folders(CHIP_VARIABLES, program, _CHIPS_BESIDE, ("chipdb", "")):
        if folder.is_file():
            if folder.name not in names:
                raise UserError(f"{folder} is no chip database of {part}: wanted {names[0]}")
            return folder
        for name in names:
            if (folder / name).is_file():
                return folder / name
    return None


def part_database(part: str, program: Path) -> Path | None:
    """The family's folder of prjxray's database, with the part in it; None where there is none."""
    for root in _folders((PART_VARIABLE,), program, _PARTS_BESIDE, ("external/prjxray-db",)):
        for folder in (root / "artix7", root):
            if (folder / part / "part.yaml").is_file():
                return folder
    return None


def _folders(
    variables: tuple[str, ...], program: Path, beside: tuple[str, ...], snap: tuple[str, ...]
) -> Iterator[Path]:
    for variable in variables:
        if value := os.environ.get(variable):
            yield from (Path(value), Path(value) / "xilinx" / "chipdb", Path(value) / "chipdb")
    homes = [program.resolve().parent.parent, *(Path(place).expanduser() for place in _PACKAGES)]
    yield from (home / folder for home in homes for folder in beside)
    yield from (Path(_SNAP) / folder for folder in snap)
