#!/usr/bin/env python3
"""From a fresh clone to a result, with Python alone.

    python3 start.py demo [options of sim.demo]     train, export, simulate and build a network
    python3 start.py test [options of pytest]       run every test

Both first make the virtual environment .venv beside this file, in the versions that pdm.lock
names, unless it is there and up to date. Needs Python 3.11 or later and its venv module.
Exit status: the command's own; 2 when the environment cannot be made, 130 after Ctrl-C.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must be told so by this line
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sys.stderr.write(
        f"error: Python 3.11 or later is needed, this is {version}: install a newer Python, or "
        "name it: python3.12 start.py ...\n"
    )
    sys.exit(2)

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent
COMMANDS = {
    "demo": ["-m", "sim.demo"],
    "test": ["-m", "pytest", "-n", "auto", "--dist", "worksteal"],
}
EXTRAS = "train,compiled,test"
STAMP = "subbit-stamp.txt"
QUIET_SECONDS = 5  # between two lines of a long step, where there is no terminal
PATIENCE_SECONDS = 60  # for a command to save its work and end after Ctrl-C
NO_NETWORK = ("NewConnectionError", "ConnectTimeoutError", "NameResolutionError", "ProxyError")


class StartError(Exception):
    """The environment cannot be made; the message says why and what to do."""


def environment_python(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stamp() -> str:
    """Names everything an environment depends on: the project, its place and the Python."""
    parts = [sys.version, str(ROOT), EXTRAS]
    parts += [(ROOT / name).read_text("utf-8") for name in ("pyproject.toml", "pdm.lock")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def constraints() -> str:
    """pdm.lock as a constraints file of pip: the exact version of every package."""
    packages = tomllib.loads((ROOT / "pdm.lock").read_text("utf-8"))["package"]
    return "".join(sorted({f"{p['name']}=={p['version']}\n" for p in packages}))


def run_step(title: str, command: list[str | Path], log: Path) -> None:
    """Run a command with its output in ``log``, and a sign of life at least every few seconds.

    Raises StartError, with the end of the log, when the command fails.
    """
    start = shown = time.monotonic()
    live = sys.stdout.isatty()
    print(title, end="" if live else " ...\n", flush=True)
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                time.sleep(0.2)
                now = time.monotonic()
                if live or now - shown >= QUIET_SECONDS:
                    shown = now
                    line = f"  {now - start:4.0f} s  {last_line(log)}"
                    if live:
                        width = shutil.get_terminal_size().columns - len(title) - 1
                        print(f"\r{title}{line[: max(width, 0)]}\x1b[K", end="", flush=True)
                    else:
                        print(line[:100].rstrip(), flush=True)
        finally:
            stop(process)
    seconds = f"{time.monotonic() - start:.0f} s"
    print(f"\r{title}: {seconds}\x1b[K" if live else f"  done in {seconds}", flush=True)
    if process.returncode:
        raise StartError(failure(title, log))


def last_line(log: Path) -> str:
    """The newest line of a log, without reading more than its end."""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        lines = file.read().decode("utf-8", "replace").split("\n")
    told = (line.strip() for line in reversed(lines) if not line.startswith("WARNING"))
    return next(filter(None, told), "")


def failure(title: str, log: Path) -> str:
    """Why a step failed, in a line or two."""
    text = log.read_text("utf-8", "replace")
    if any(sign in text for sign in NO_NETWORK):
        return (
            f"{title}: no package index can be reached; check the network (and pip's settings, "
            f"where a proxy or a mirror is needed), then run the same command again\n({log})"
        )
    if "No space left on device" in text:
        return f"{title}: the disk is full; about 3 GB are needed\n({log})"
    reasons = [line.strip() for line in text.splitlines() if line.lstrip().startswith("ERROR")]
    return f"{title} failed: {reasons[-1] if reasons else last_line(log)}\n({log})"


def make_environment(venv: Path) -> Path:
    """Make the environment, or bring it up to date; returns its Python."""
    python = environment_python(venv)
    wanted = stamp()
    done, log = venv / STAMP, venv / "start.log"
    if python.exists() and done.is_file() and done.read_text() == wanted:
        return python
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise StartError(
            "this Python has no venv module; install it (on Debian and Ubuntu: "
            "apt install python3-venv) and run the same command again"
        )
    try:
        there = {path.name for path in venv.iterdir()} if venv.is_dir() else set()
        if there - {log.name} and "pyvenv.cfg" not in there:
            raise StartError(f"{venv} is there and is no virtual environment; name another folder")
        done.unlink(missing_ok=True)
        # Only an environment of this very Python can be kept and brought up to date.
        if there and not same_python(python):
            shutil.rmtree(venv)
        venv.mkdir(parents=True, exist_ok=True)
        run_step("Making the virtual environment", [sys.executable, "-m", "venv", venv], log)
        versions = venv / "constraints.txt"
        versions.write_text(constraints(), "utf-8")
        installing = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        installing += ["--progress-bar", "off", "-c", versions, "-e", f"{ROOT}[{EXTRAS}]"]
        run_step("Installing the packages", installing, log)
        done.write_text(wanted)
    except OSError as error:
        raise StartError(f"{error.filename or venv}: {error.strerror}") from error
    return python


def same_python(python: Path) -> bool:
    """Whether the environment's Python starts and is of our version."""
    try:
        say = [python, "-c", "import sys; print(sys.version)"]
        return subprocess.run(say, capture_output=True, text=True).stdout.strip() == sys.version
    except OSError:
        return False


def run(command: list[str | Path]) -> int:
    """Run a command in the foreground; its exit status. Ctrl-C is the command's to handle."""
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        status = process.wait()
    except KeyboardInterrupt:
        try:
            status = process.wait(PATIENCE_SECONDS)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            stop(process)
            status = 130
    return status if status >= 0 else 128 - status


def stop(process: subprocess.Popen) -> None:
    """End a child that is still running."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="start.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="default: %(default)s")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("options", nargs=argparse.REMAINDER, help="passed on to the command")
    arguments = parser.parse_args()
    try:
        python = make_environment(arguments.venv.absolute())
        return run([python, *COMMANDS[arguments.command], *arguments.options])
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
