"""The contents of an engine's read-only memories, apart from its circuit.

The circuit is compiled once for a shape of network; a network of that shape, trained anew, only
brings other contents. The compiled simulator reads them from files when it starts.
"""

import re
from dataclasses import replace
from pathlib import Path

from hw.engine_program import MemoryImages, Program
from model.errors import UserError

__all__ = [
    "OPTION",
    "read_at_start",
    "read_memory_at_start",
    "without_contents",
    "write_contents",
]

# Plus argument of the simulator: the folder that holds NAME.hex for every memory.
OPTION = "contents"


def _memories(program: Program) -> dict[str, tuple[int, ...]]:
    """Words by the memory's name in the circuit; the names are unique there."""
    images = program.images
    # A word holds the offsets of as many classes as the head does at a time.
    mask = (1 << program.score_bits * max(program.head_units, 1)) - 1
    return {
        "indices": () if program.index_port else images.indices,
        "threshold_words": images.thresholds,
        "codebooks": images.codebooks,
        "stream_words": images.streams,
        "weights": images.head,
        "stem_words": images.stem,
        "offsets": tuple(offset & mask for offset in images.head_offsets),
        "descriptors": images.descriptors,
    }


def without_contents(program: Program) -> Program:
    """The program with zeros in all memories: the same for all networks of its shape."""
    zeros = {name: (0,) * len(words) for name, words in vars(program.images).items()}
    return replace(program, images=MemoryImages(**zeros))


def read_at_start(verilog: str, program: Program) -> str:
    """The circuit with every memory reading its file when a simulation starts."""
    for name, words in _memories(program).items():
        verilog = read_memory_at_start(verilog, name, 1 if words else 0)
    return verilog


def read_memory_at_start(verilog: str, name: str, times: int = 1) -> str:
    """The circuit with memory ``name`` reading NAME.hex when a simulation starts.

    Replaces the block of initial values that Yosys writes behind each memory.
    Raises AssertionError where the memory is not there exactly so many times.
    """
    pattern = rf"(reg \[[^\]]+\] {name} \[[^\]]+\];\n)\s*initial begin\n.*?\n\s*end\n"
    statement = (
        f"  initial begin : read_{name}\n"
        "    string folder;\n"
        f'    if ($value$plusargs("{OPTION}=%s", folder))\n'
        f'      $readmemh({{folder, "/{name}.hex"}}, {name});\n'
        "  end\n"
    )
    verilog, found = re.subn(pattern, lambda match: match[1] + statement, verilog, flags=re.DOTALL)
    assert found == times, f"memory {name} is {found} times in the circuit"
    return verilog


def write_contents(program: Program, folder: Path) -> None:
    """Write NAME.hex for every memory; raises UserError where that cannot be."""
    for name, words in _memories(program).items():
        try:
            (folder / f"{name}.hex").write_text("".join(f"{word:x}\n" for word in words))
        except OSError as error:
            raise UserError(
                f"{folder}: the memories' contents cannot be written: {error.strerror}; make "
                "room there or choose another place with the environment variable TMPDIR"
            ) from error
