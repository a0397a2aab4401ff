"""Stand-ins for the routers of 7-series, prjxray's tools and Vivado, with their databases.

They take the options that the real ones take, and refuse others as those do.
"""

import json
import stat
import sys
from pathlib import Path

import pytest

from tests import xc7_logs
from tests.fake_tools import fake_tools

__all__ = ["FakeXc7"]

_HEAD = f"#!{sys.executable}\nimport json, os, pathlib, sys\nhere = pathlib.Path(__file__).parent\n"
_ROUTER = """
name, version, options = {name!r}, {version!r}, {options!r}
if "--version" in sys.argv:
    print(f'"{{name}}" -- Next Generation Place and Route (Version {{version}})', file=sys.stderr)
    sys.exit()
words = sys.argv[1:]
for word in words:
    if word.startswith("-") and word not in options:
        print(f"unrecognised option '{{word}}'")
        sys.exit(255)
(here / "router.json").write_text(json.dumps(words))
log = (here / "router.log").read_text()
pathlib.Path(words[words.index("--log") + 1]).write_text(log)
print("\\n".join(line for line in log.splitlines() if not line.startswith("Info:")))
if "--report" in words:
    report = (here / "router_report.json").read_text()
    pathlib.Path(words[words.index("--report") + 1]).write_text(report)
status = int((here / "router.status").read_text())
if not status:
    pathlib.Path("top.fasm").touch()
sys.exit(status)
"""
_COMMON = ["--quiet", "--chipdb", "--json", "--freq", "--seed", "--timing-allow-fail", "--log"]
_FORK_OPTIONS = [*_COMMON, "--xdc", "--fasm"]
_MAINLINE_OPTIONS = [*_COMMON, "--device", "-o", "--report"]
_FRAMES = """
said = (here / "frames.log").read_text()
print(said, file=sys.stderr)
if said:
    sys.exit(1)
part, root, fasm, frames = sys.argv[2], sys.argv[4], sys.argv[5], sys.argv[6]
assert (pathlib.Path(root) / part / "part.yaml").exists() and pathlib.Path(fasm).exists()
pathlib.Path(frames).touch()
"""
_BITS = """
given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
assert pathlib.Path(given["--part_file"]).parent.name == given["--part_name"]
assert pathlib.Path(given["--frm_file"]).exists()
pathlib.Path(given["--output_file"]).touch()
"""
_VIVADO = """
print("\\n****** Vivado v2023.2 (64-bit)")
assert pathlib.Path(sys.argv[-1]).read_text().startswith("# Automatically generated")
for name in ("top_timing.rpt", "top_utilization_place.rpt"):
    if (here / name).exists():
        pathlib.Path(name).write_text((here / name).read_text())
status = int((here / "vivado.status").read_text())
if status:
    print("ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'")
    print("INFO: [Common 17-206] Exiting Vivado")
else:
    pathlib.Path("top.bit").touch()
sys.exit(status)
"""


class FakeXc7:
    """A folder of stand-ins, and an environment in which only these are found.

    ``cells`` is what the netlist holds.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **cells: int):
        self.folder = folder / "fake"
        self.bin = self.folder / "bin"
        self.bin.mkdir(parents=True)
        self._monkeypatch = monkeypatch
        for variable in (
            "CHIPDB", "ARTIX7_CHIPDB", "CHIPDB_DIR", "NEXTPNR_XILINX_DIR", "PRJXRAY_DB_DIR",
            "NEXTPNR_XILINX", "NEXTPNR_HIMBAECHEL_XILINX", "FASM2FRAMES", "XC7FRAMES2BIT", "VIVADO",
        ):  # fmt: skip
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HOME", str(self.folder))
        monkeypatch.setenv("PATH", str(self.bin))
        tools = fake_tools(self.folder, cells=cells or {"LUT6": 100})
        for variable in ("YOSYS", "NEXTPNR_ECP5", "ECPPACK", "FAKE_CELLS", "FAKE_FMAX"):
            monkeypatch.setenv(variable, tools[variable])

    def _program(self, name: str, text: str) -> None:
        program = self.bin / name
        program.write_text(_HEAD + text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def router(
        self, name: str, log: str, *, version: str = "0.9.6", says: str = "", status: int = 0
    ) -> None:
        """A router of that name, what it says it is (its name), its log and exit status."""
        options = _FORK_OPTIONS if name == "nextpnr-xilinx" else _MAINLINE_OPTIONS
        self._program(name, _ROUTER.format(name=says or name, version=version, options=options))
        (self.bin / "router.log").write_text(log)
        (self.bin / "router.status").write_text(str(status))
        (self.bin / "router_report.json").write_text(json.dumps(xc7_logs.MAINLINE_REPORT))

    def chips(self, name: str) -> Path:
        """A chip database where CHIPDB points."""
        folder = self.folder / "chips"
        folder.mkdir(exist_ok=True)
        (folder / name).touch()
        self._monkeypatch.setenv("CHIPDB", str(folder))
        return folder / name

    def prjxray(self, part: str = "xc7a35tcsg324-1", said: str = "") -> None:
        """prjxray's database and tools; ``said`` is what makes fasm2frames fail."""
        folder = self.folder / "db" / "artix7" / part
        folder.mkdir(parents=True)
        (folder / "part.yaml").touch()
        self._monkeypatch.setenv("PRJXRAY_DB_DIR", str(self.folder / "db"))
        self._program("fasm2frames", _FRAMES)
        self._program("xc7frames2bit", _BITS)
        (self.bin / "frames.log").write_text(said)

    def vivado(self, timing: str, cells: str, status: int = 0) -> None:
        """Vivado with its two reports."""
        self._program("vivado", _VIVADO)
        (self.bin / "top_timing.rpt").write_text(timing)
        (self.bin / "top_utilization_place.rpt").write_text(cells)
        (self.bin / "vivado.status").write_text(str(status))

    @property
    def asked(self) -> list[str]:
        """What the router was asked."""
        return json.loads((self.bin / "router.json").read_text())
