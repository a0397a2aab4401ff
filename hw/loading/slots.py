"""The memories that hold a network, as they are loaded: their order, widths and words."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from hw.descriptor import descriptor_layout
from hw.engine_program import Program, threshold_bits
from hw.heads.counted_plan import WEIGHT_BITS
from hw.link.payloads import Info
from hw.params import KERNEL_BITS

__all__ = ["ABOUT", "Slot", "board_slots", "check_sum", "info_slot", "network_slots", "slots_of"]

#: The memory of `info_slot`.
ABOUT = "about"
BYTE = 8


@dataclass(frozen=True)
class Slot:
    """A memory: its name in the circuit, bits of a word, and all of its words."""

    name: str
    width: int
    words: tuple[int, ...]

    @property
    def depth(self) -> int:
        return len(self.words)

    @property
    def word_bytes(self) -> int:
        """Bytes of a word on the line."""
        return -(-self.width // BYTE)

    def packed(self, first: int = 0, count: int | None = None) -> bytes:
        """Words from ``first`` on as they go over the line, each in whole bytes, lowest first."""
        end = self.depth if count is None else first + count
        return b"".join(w.to_bytes(self.word_bytes, "little") for w in self.words[first:end])


def _slot(name: str, width: int, words: tuple[int, ...]) -> Slot:
    mask = (1 << width) - 1
    filled = (*words, *[0] * (2 - len(words)))  # no memory has less than two words
    return Slot(name, width, tuple(word & mask for word in filled))


def network_slots(program: Program) -> tuple[Slot, ...]:
    """An engine's memories, in the order in which they are counted and read back."""
    images, parameters = program.images, program.parameters
    units = program.serial_head.parallel if program.serial_head else program.head_units
    offsets = 1 if program.serial_head else units
    found = [
        _slot("descriptors", descriptor_layout(program).size, images.descriptors),
        _slot("indices", parameters.index_bits, images.indices),
        _slot("threshold_words", threshold_bits(program.sizes.sum_bits), images.thresholds),
        _slot("weights", WEIGHT_BITS * units, images.head),
        _slot("offsets", program.score_bits * offsets, images.head_offsets),
    ]
    if parameters.has_codebook:
        found.append(_slot("codebooks", KERNEL_BITS, images.codebooks))
    if program.stream_shape:
        found.append(_slot("stream_words", program.stream_shape.word.size, images.streams))
    return tuple(found)


def slots_of(program: Program) -> tuple[Slot, ...]:
    """The memories that can be written: none, unless the engine is loadable."""
    return network_slots(program) if program.loadable else ()


def info_slot(info: Info) -> Slot:
    """What the board says about its network is a memory, too; of what it says about itself, the
    words `hw.link.payloads.NETWORK_WORDS` are taken."""
    return _slot(ABOUT, BYTE, tuple(info.pack()))


def board_slots(program: Program, info: Info) -> tuple[Slot, ...]:
    """All memories of a loadable board, by their number on the line."""
    return (*network_slots(program), info_slot(info))


def check_sum(slots: Iterable[Slot]) -> int:
    """CRC-32 of all words of all memories."""
    value = 0
    for slot in slots:
        value = zlib.crc32(slot.packed(), value)
    return value
