"""What an engine will take of a part, before synthesis: fitted to measured netlists.

``hw/flow/calibration.json`` holds the measurements and the command that made them. LUTs, LUTRAM and
flip-flops of each family and array are fitted by least squares over a few numbers of the array's
shape; block RAM follows from the shapes of the memories. Other networks and codebooks than the
measured ones are extrapolation: that is what the margins of `hw.flow.autosize` are for.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, reduce
from math import ceil
from operator import or_
from pathlib import Path

import numpy as np

from hw.engine_program import Program
from hw.flow.resources import Resources, line_buffer
from hw.link.identity import buffer_depth
from hw.maps.banks import BANKS
from hw.rom import in_block
from hw.stream.pool import MEAN_BITS

__all__ = [
    "CALIBRATION", "block_rams", "estimate", "least_luts", "memories", "shape_terms", "without_dsp",
]  # fmt: skip

CALIBRATION = Path(__file__).with_name("calibration.json")
FITTED = ("lut", "lutram", "ff")
MEASURED_ENTRIES = 16  # of a response table
# Places in `shape_terms` of what a fit has, by array. Three sizes of the direct array are measured,
# and it has no fillers: what is proportional to channels alone is small in it, and left out.
_TERMS = {"direct": (0, 1, 3), "shared": (0, 1, 2, 3, 4)}

# Words by bits of one block with a read and a write port. What Yosys was seen to make of them: a
# written memory of no more than so many words or bits becomes LUTRAM; of read-only ones, see `rom`.
_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
# a RAMB18 is half a RAMB36; a DP16KD, a BSRAM is the unit itself
_BLOCK = {"xc7": 0.5, "ecp5": 1.0, "ice40": 1.0, "gowin": 1.0, "gatemate": 0.5}
_SMALL_WORDS = {"xc7": 64, "ecp5": 32, "ice40": 0, "gowin": 32, "gatemate": 0}
_SMALL_BITS = {"xc7": 2048, "ecp5": 2047, "ice40": 256, "gowin": 2047, "gatemate": 2047}
# Where a block is small, Yosys lays a memory's parts side by side in it, of several words in a row.
_NARROW_SHAPES = {"ice40": ((256, 16), (512, 8), (1024, 4), (2048, 2))}

# A lane of the stream unit without and with PReLU (measured: hw.synth --unit stream_unit, 8 lanes,
# 12-bit streams; without, of one shift).
_STREAM_LANE = {
    "xc7": {False: {"lut": 60, "ff": 56, "dsp": 1}, True: {"lut": 123, "ff": 130, "dsp": 2}},
    "ecp5": {False: {"lut": 76, "ff": 56, "dsp": 1}, True: {"lut": 203, "ff": 130, "dsp": 2}},
}

# LUTs of a product that is made of them (hw/flow/mul_lut.v), in place of a DSP48E1 (measured: 1,028
# LUT for 4 lanes of the unit above, with PReLU).
_SOFT_PRODUCT = 67
# Families that were not measured are taken for this one, which has LUTs of four inputs, too.
_UNMEASURED = "ecp5"
_OF_LUT4 = ("ice40", "gowin", "gatemate")
# Not measured either: their products are made of LUTs, one for each pair of 12 and 13 bits.
_PRODUCT = 12 * 13
_STREAM_LANE |= {
    family: {
        prelu: lane | {"lut": lane["lut"] + lane["dsp"] * _PRODUCT, "dsp": 0}
        for prelu, lane in _STREAM_LANE[_UNMEASURED].items()
    }
    for family in _OF_LUT4
}

# LUTs below which no kernel application gets (measured: 8 and more), by family: XNOR and adding up
# 9 taps takes more inputs than that many LUTs have.
_LEAST = {
    "xc7": {"direct": 4, "shared": 3},
    **{family: {"direct": 6, "shared": 4} for family in (_UNMEASURED, *_OF_LUT4)},
}


def shape_terms(program: Program) -> list[float]:
    """What cells are proportional to: once, a lane, a channel, a kernel application, a filler."""
    p = program.parameters
    tables = max(1.0, p.entries / MEASURED_ENTRIES) if p.fill else 1.0
    return [
        1.0,
        float(p.pixels),
        float(p.channels),
        p.kernel_applications * tables,
        float(p.pixels * p.fill),
    ]


def memories(program: Program, family: str = "xc7") -> list[tuple[str, int, int]]:
    """The engine's larger memories: "ram", "rom" or, told to be block RAM, "block";
    bits a word, words."""
    p, sizes = program.parameters, program.sizes
    return [
        *[("ram", p.pixels, sizes.activation_words + 2 * sizes.input_words)] * BANKS,
        ("rom", p.channels * p.tau, sizes.index_words),
        ("rom", _varying(program.images.thresholds), sizes.threshold_words),
        *_head_memories(program),
        ("block", sizes.sum_bits * p.pixels, sizes.partial_sums),
        ("ram", p.pixels, sizes.pool_words),
        ("ram", 9, buffer_depth(program.image_bytes, line_buffer(family))),
        *(_stream_memories(program) if program.stream_shape else ()),
    ]


def _varying(words: Sequence[int]) -> int:
    """Bits of a word that are not the same in all: the others are no memory."""
    return reduce(or_, (word ^ words[0] for word in words), 0).bit_count()


def _head_memories(program: Program) -> list[tuple[str, int, int]]:
    head = program.serial_head
    if head is None:
        size = program.network.head
        return [
            ("rom", 8 * program.head_units, program.sizes.head_words // program.head_units),
            ("ram", (size.height * size.width).bit_length(), size.weight.shape[1]),
        ]
    words = head.kind == "words"
    return [
        ("rom", 8 * head.parallel, len(program.images.head)),
        ("ram", head.value_bits * head.pixels if words else head.feature_bits, head.stored_words),
        ("ram", head.score_bits, head.classes),
    ]


def _stream_memories(program: Program) -> list[tuple[str, int, int]]:
    pixels, shape = program.parameters.pixels, program.stream_shape
    queued = max(plan.c_out for plan in program.plans) if program.most_planes > 1 else 0
    return [
        ("ram", shape.value * pixels, program.sizes.stream_words),
        ("rom", shape.word.size, len(program.images.streams)),
        ("ram", program.most_planes * pixels, queued),
        ("ram", (shape.value + MEAN_BITS) * pixels, program.stream_pool_words),
        *_input_stream(program),
    ]


def _input_stream(program: Program) -> list[tuple[str, int, int]]:
    if not program.keeps_input:
        return []
    width = program.network.stem.stream.bits * program.parameters.pixels
    return [("ram", width, 2 * program.input_stream_words)]


def block_rams(program: Program, family: str) -> float:
    """Block RAMs, in the unit of the family (RAMB36, DP16KD, SB_RAM40_4K).

    Yosys cuts a memory into rows of a block's depth, and lays what is left of the width in several
    rows side by side.
    """
    shapes = _NARROW_SHAPES.get(family, _SHAPES)
    return _BLOCK[family] * sum(
        min(ceil(ceil(words / depth) * width / bits) for depth, bits in shapes)
        for kind, width, words in memories(program, family)
        if kind == "block"
        or (kind == "rom" and family not in _NARROW_SHAPES and in_block(width, words))
        or (
            (kind == "ram" or family in _NARROW_SHAPES)
            and words > _SMALL_WORDS[family]
            and width * words > _SMALL_BITS[family]
        )
    )


@cache
def _fit(family: str, array: str) -> dict[str, np.ndarray]:
    """Cells per term of `shape_terms`, for each of `FITTED`; 0 for terms that the fit has not.

    Relative errors are what is made small, so that a small design counts as much as a large one.
    """
    measured_rows = json.loads(CALIBRATION.read_text("utf-8"))["rows"]
    in_family = [row for row in measured_rows if row["family"] == family]
    if not in_family:
        in_family = [row for row in measured_rows if row["family"] == _UNMEASURED]
    # An array that was not measured on this family is taken for the other one.
    rows = [row for row in in_family if row["array"] == array] or in_family
    terms = np.array([row["terms"] for row in rows])
    kept = list(_TERMS[array])
    fits = {}
    for name in FITTED:
        measured = np.array([row["resources"][name] for row in rows], float)
        weight = 1 / np.maximum(measured, 1)
        each, *_ = np.linalg.lstsq(terms[:, kept] * weight[:, None], measured * weight, rcond=None)
        fits[name] = np.zeros(terms.shape[1])
        fits[name][kept] = each
    return fits


def estimate(program: Program, family: str) -> Resources:
    """Resources of the whole board design; DSP blocks are those of streams."""
    fits = _fit(family, program.parameters.array)
    terms: Sequence[float] = shape_terms(program)
    counts = {name: max(round(float(fits[name] @ terms)), 0) for name in FITTED}
    counts["dsp"] = 0
    if program.stream_shape:
        lanes = program.parameters.pixels
        for name, each in _STREAM_LANE[family][program.stream_shape.prelu].items():
            counts[name] += lanes * each
    return Resources(**counts, bram=block_rams(program, family))


def without_dsp(needs: Resources) -> Resources:
    """The same with products of LUTs: what an open flow for 7-series makes of streams."""
    return replace(needs, lut=needs.lut + _SOFT_PRODUCT * needs.dsp, dsp=0)


def least_luts(family: str, array: str, pixels: int, channels: int) -> int:
    """LUTs that the array alone certainly needs."""
    return _LEAST[family][array] * pixels * channels
