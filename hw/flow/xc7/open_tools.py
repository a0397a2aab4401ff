"""Everything that the open flow of a 7-series part needs, or what of it is missing."""

from dataclasses import dataclass
from pathlib import Path

from hw.flow.tools import Tool
from hw.flow.xc7.databases import PART_VARIABLE, chip_database, chip_names, part_database
from hw.flow.xc7.router import (
    FASM2FRAMES,
    FORK,
    FRAMES2BIT,
    MAINLINE,
    Router,
    ask_router,
    installed,
)  # fmt: skip

__all__ = ["OpenTools", "find_open_tools"]


@dataclass(frozen=True)
class OpenTools:
    """Router, its chip database, and prjxray's database of the part's family."""

    router: Router
    chips: Path
    parts: Path


def find_open_tools(part: str) -> tuple[OpenTools | None, list[str]]:
    """The tools that are there; else None and what is missing, a phrase each.

    Raises UserError where the environment names something that is not what it should be.
    """
    router, chips, missing = _router(part)
    program = installed(router.tool) if router else Path()
    parts = part_database(part, program)
    if parts is None:
        missing.append(f"prjxray-db with artix7/{part} (its folder in {PART_VARIABLE})")
    missing += [_wanted(tool) for tool in (FASM2FRAMES, FRAMES2BIT) if not installed(tool)]
    if missing:
        return None, missing
    return OpenTools(router, chips, parts), []


def _router(part: str) -> tuple[Router | None, Path | None, list[str]]:
    """The router and its chip database; the first phrase of what is missing where one is not there.

    nextpnr-himbaechel counts with the part's chip database only: most builds of it are for other
    families.
    """
    missing = [_wanted(FORK)]
    for tool in (FORK, MAINLINE):
        if program := installed(tool):
            router = ask_router(tool)
            if chips := chip_database(part, router, program):
                return router, chips, []
            if tool == FORK or tool.named:
                name = chip_names(part, router)[0]
                missing = [f"the chip database {name} of {router.name} (its folder in CHIPDB)"]
                if tool == FORK:
                    return router, None, missing
    return None, None, missing


def _wanted(tool: Tool) -> str:
    return f"{tool.name} (on the path or in {tool.variable})"
