"""The clock of an array alone, placed and routed on an ECP5-85F (speed grade 6, no pins).

7-series parts have no router among the Python packages, so each array's own clock is measured where
there is one. It says how the two compare, not what a board reaches.
"""

import json
from dataclasses import asdict
from pathlib import Path

from amaranth.back import rtlil

from hw.array import make_array
from hw.flow.progress import Progress
from hw.params import ArrayParameters
from hw.synth import synthesise
from model.files import make_folder, write_text
from sim.speedup.synthesis import made_by

__all__ = ["array_clock"]

FAMILY = "ecp5"


def array_clock(parameters: ArrayParameters, folder: Path, progress: Progress) -> dict:
    """{"fmax_mhz", "lut"} of the array; from ``folder`` where it was routed before.

    Raises UserError where a tool is missing, CheckError where one fails.
    """
    kept = folder / f"{made_by(parameters, FAMILY)}.json"
    if kept.exists():
        return json.loads(kept.read_text())["found"]
    p = parameters
    text = f"placing and routing the {p.array} array {p.pixels} x {p.channels} (nextpnr-ecp5)"
    with progress.stage(text):
        netlist = rtlil.convert(make_array(parameters))
        resources, fmax = synthesise(netlist, "top", FAMILY, fmax=True)
    found = {"fmax_mhz": round(fmax, 2), "lut": resources.lut}
    make_folder(folder)
    write_text(kept, json.dumps({"parameters": asdict(p), "found": found}, indent=1) + "\n")
    return found
