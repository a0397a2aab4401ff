"""Stand-ins for Yosys, nextpnr and ecppack, so that a build's failures can be had in a second."""

import json
import os
import stat
import sys
from pathlib import Path

__all__ = ["fake_tools"]

_HEAD = f"#!{sys.executable}\nimport json, os, sys, time\n"
_YOSYS = """
if "-V" in sys.argv:
    print("Yosys 9.87 (git sha1 0000000)")
    sys.exit()
log = open(sys.argv[sys.argv.index("-l") + 1], "w")
print("Executing a pass", file=log, flush=True)
if os.environ.get("FAKE_SLEEP"):
    open("sleeping", "w").write(str(os.getpid()))
    time.sleep(60)
if os.environ.get("FAKE_ERROR"):
    print("ERROR: the pass went wrong", flush=True)
    sys.exit(1)
cells = json.loads(os.environ["FAKE_CELLS"])
module = {"cells": {str(n): {"type": kind} for n, kind in enumerate(cells)}}
json.dump({"design": {"num_cells_by_type": cells}}, open("top.stat.json", "w"))
json.dump({"modules": {"top": module}}, open("top.json", "w"))
open("top.v", "w").close()
"""
_NEXTPNR = """
if "--version" in sys.argv:
    print('"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-9.8)')
    sys.exit()
report = {"fmax": {"sync": json.loads(os.environ["FAKE_FMAX"])}}
json.dump(report, open(sys.argv[sys.argv.index("--report") + 1], "w"))
open("top.config", "w").close()
"""
_ECPPACK = """
if "--version" in sys.argv:
    print("Version 7.6-fake")
    sys.exit()
open("top.bit", "w").close()
"""


def fake_tools(
    folder: Path,
    *,
    cells: dict[str, int] | None = None,
    fmax: tuple[float, float] = (60.0, 50.0),
    **flags: str,
) -> dict[str, str]:
    """Environment in which the tools are stand-ins.

    ``cells`` is what the netlist holds, ``fmax`` what nextpnr reached and was asked for. Flags:
    FAKE_SLEEP makes Yosys take a minute (its number in the file ``sleeping``), FAKE_ERROR fail.
    """
    environment = dict(os.environ)
    for variable, text in (("YOSYS", _YOSYS), ("NEXTPNR_ECP5", _NEXTPNR), ("ECPPACK", _ECPPACK)):
        program = folder / f"fake_{variable.lower()}"
        program.write_text(_HEAD + text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        environment[variable] = str(program)
    return environment | {
        "FAKE_CELLS": json.dumps(cells or {"LUT4": 100}),
        "FAKE_FMAX": json.dumps({"achieved": fmax[0], "constraint": fmax[1]}),
        **flags,
    }
