"""Where a report comes from: versions of the tools, the machine, the commit."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from model.files import git_commit
from sim.compiled.toolchain import find_toolchain

__all__ = ["machine", "origin", "versions"]

CPU_FACTS = Path("/proc/cpuinfo")  # Linux only


def origin(engine: str, command: str) -> dict:
    """The report's entries about itself, of a run by ``engine`` that ``command`` started."""
    return {
        "versions": versions(engine),
        "machine": machine(),
        "commit": git_commit(),
        "command": command,
    }


def versions(engine: str) -> dict[str, str]:
    """Versions of what decides the result; for "compiled" also those of its tools."""
    found = {
        "python": platform.python_version(),
        **{package: version(package) for package in ("amaranth", "numpy")},
    }
    tools = find_toolchain() if engine == "compiled" else None
    if tools:
        names = ("yosys", "verilator", "compiler")
        # Yosys goes on with how it was built.
        texts = (text.split(" (git")[0] for text in tools.versions.split("; "))
        found |= dict(zip(names, texts, strict=False))
    return found


def machine() -> dict:
    """The machine in words: system, processor, cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": cores,
    }


def _processor() -> str:
    try:
        name = re.search(r"^model name\s*:\s*(.+)$", CPU_FACTS.read_text(), re.MULTILINE)
    except OSError:
        name = None
    kind = platform.machine()
    return f"{name[1].strip()}, {kind}" if name else platform.processor() or kind
