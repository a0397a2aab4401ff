"""What comes through the index port: which words, how often, and the exact bits of one image.

Index words are those of the on-chip memory (`hw.engine_program.MemoryImages.indices`), in the order
in which the layers' passes use them: a **resident** layer's, whose words fit the index buffer,
once; every other layer's once a tile, and of activations of several bits once a plane of a tile.
They follow each other without gaps, lowest bit first; only an image's last port word is filled up
with zeros.
"""

import numpy as np

from hw.engine_program import LayerPlan, Program

__all__ = ["fetched_words", "index_stream", "port_words", "resident"]


def resident(program: Program, plan: LayerPlan) -> bool:
    """Whether the layer's index words stay in the buffer for its other tiles."""
    return plan.rounds > 1 and plan.index_words <= program.index_port.buffer_words


def fetched_words(program: Program, plan: LayerPlan) -> int:
    """Index words that come through the port for a layer and image."""
    return plan.index_words * (1 if resident(program, plan) else plan.rounds)


def port_words(program: Program) -> int:
    """Port words of one image."""
    words = sum(fetched_words(program, plan) for plan in program.plans)
    return -(-words * program.parameters.index_bits // program.index_port.bits)


def index_stream(program: Program) -> np.ndarray:
    """The port words of one image, uint32 [port words, ceil(BITS / 32)], lowest bits first."""
    width, port = program.parameters.index_bits, program.index_port.bits
    parts = []
    for plan in program.plans:
        if not plan.index_words:
            continue
        words = program.images.indices[plan.index_base :][: plan.index_words]
        packed = b"".join(word.to_bytes(-(-width // 8), "little") for word in words)
        table = np.frombuffer(packed, np.uint8).reshape(len(words), -1)
        bits = np.unpackbits(table, axis=1, count=width, bitorder="little").ravel()
        parts.append(np.tile(bits, fetched_words(program, plan) // plan.index_words))
    bits = np.concatenate(parts)
    bits = np.pad(bits, (0, -len(bits) % port)).reshape(-1, port)
    bits = np.pad(bits, ((0, 0), (0, -port % 32)))
    return np.packbits(bits, axis=1, bitorder="little").view("<u4")
