"""Finds the cycle in which a differing value was written, and what to show around it."""

from dataclasses import dataclass

from hw.layout import row_tiles, rows_per_tile, tile_columns, tiles
from hw.program import Program
from sim.comparison import Difference
from sim.outcome import BatchResult
from sim.waves.look import NEVER, Look, Position
from sim.waves.window import Window

__all__ = ["Finder", "Word", "around", "result_cycle", "word_of"]

# Cycles shown besides those that computed the value, and at most before it.
BEFORE, AFTER = 12, 24
MOST_BEFORE = 1000


@dataclass(frozen=True)
class Word:
    """A word that the engine writes: the batch's number of its image, its tensor (0 the planes,
    then the convolutions' activations), and its place in the tensor."""

    image: int
    tensor: int
    tile: int
    channel: int


class Finder(Look):
    """Looks for the cycle in which a word is written, and ends the simulation there."""

    def __init__(self, word: Word, program: Program):
        super().__init__()
        self.word = word
        first = program.plans[0]
        sizes = [tiles(first.height, first.width, program.parameters.pixels) * first.c_in]
        sizes += [plan.out_tiles * plan.c_out for plan in program.plans]
        self._words = sizes[word.tensor]
        self._written = 0
        self._found: int | None = None
        for name, value in vars(word).items():
            setattr(self.c, f"word_{name}", value)

    @property
    def found(self) -> int | None:
        """The cycle, or None where the word was not written."""
        if self._found is None and self.c.found != NEVER:
            return self.c.found
        return self._found

    def see(self, at: Position, seen) -> bool:
        word = self.word
        if word.tensor == 0:
            written, place = seen.plane_valid, (seen.plane_tile, seen.plane_channel)
        else:
            written = seen.write_valid and seen.write_layer == word.tensor - 1
            place = (seen.write_tile, seen.write_channel)
        if written:
            image = self._written // self._words
            self._written += 1
            if (image, *place) == (word.image, word.tile, word.channel):
                self._found = at.cycle
        return self._found is not None

    def done(self) -> bool:
        return self.found is not None


def word_of(difference: Difference, number: int, program: Program) -> Word | None:
    """The word that holds a differing value; None for scores and classes, which are no words.

    ``number`` is what the batch's first image is called.
    """
    if difference.row is None:
        return None
    names = ["input", *(plan.name for plan in program.plans)]
    tensor = names.index(difference.layer)
    width = program.network.image[2] if tensor == 0 else program.plans[tensor - 1].out_width
    pixels = program.parameters.pixels
    row, column = (
        difference.row // rows_per_tile(width, pixels),
        difference.column // tile_columns(width, pixels),
    )
    tile = row * row_tiles(width, pixels) + column
    return Word(difference.image - number, tensor, tile, difference.channel)


def around(cycle: int, word: Word | None, program: Program) -> Window:
    """The cycles that computed what was written in ``cycle``, and a few before and after.

    Of a convolution's word: all its groups' passes, over all tiles that it gathers, and the
    pipeline from index to word; of planes: the pixels of a word; of scores: the head's work.
    No more than `MOST_BEFORE` cycles before.
    """
    if word is None:
        computing = program.head_cycles + program.timing.drain
    elif word.tensor == 0:
        computing = program.parameters.pixels + program.levels
    else:
        plan = program.plans[word.tensor - 1]
        passes = plan.planes * plan.groups * min(plan.word_tiles, plan.tiles)
        computing = program.timing.write_stage + (passes - 1) * plan.pass_cycles
    return Window(max(cycle - min(computing + BEFORE, MOST_BEFORE), 0), cycle + AFTER)


def result_cycle(result: BatchResult, difference: Difference, number: int) -> int:
    """The cycle in which the result of a differing image was taken."""
    return int(result.results[difference.image - number])
