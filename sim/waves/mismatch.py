"""Finds the cycle in which a differing value was written, and what to show around it."""

from dataclasses import dataclass

from hw.engine_program import Program
from hw.maps.layout import row_tiles, rows_per_tile, tile_columns, tiles
from sim.comparison import Difference
from sim.maps import map_shapes
from sim.outcome import BatchResult
from sim.waves.look import NEVER, Look, Position
from sim.waves.window import Window

__all__ = ["Finder", "Word", "around", "result_cycle", "word_of"]

# Cycles shown besides those that computed the value, and at most before it.
BEFORE, AFTER = 12, 24
MOST_BEFORE = 1000


@dataclass(frozen=True)
class Word:
    """A word that the engine writes: the batch's number of its image, its tensor's (`sim.maps`),
    and its place in the tensor."""

    image: int
    tensor: int
    tile: int
    channel: int


class Finder(Look):
    """Looks for the cycle in which a word is written, and ends the simulation there."""

    def __init__(self, word: Word, program: Program):
        super().__init__()
        self.word = word
        channels, height, width = map_shapes(program.network)[word.tensor].shape
        self._words = tiles(height, width, program.parameters.pixels) * channels
        self._layers = len(program.plans)
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
        elif word.tensor <= self._layers:
            written = seen.write_valid and seen.write_layer == word.tensor - 1
            place = (seen.write_tile, seen.write_channel)
        else:
            written = seen.stream_valid and seen.layer == word.tensor - 1 - self._layers
            place = (seen.stream_tile, seen.stream_channel)
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
    shapes = map_shapes(program.network)
    names = [(shape.layer, shape.tensor) for shape in shapes]
    tensor = names.index((difference.layer, difference.tensor))
    *_, width = shapes[tensor].shape
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
        plan = program.plans[(word.tensor - 1) % len(program.plans)]
        passes = plan.tile_passes * min(plan.word_tiles, plan.tiles)
        computing = program.timing.write_stage + (passes - 1) * plan.pass_cycles
    return Window(max(cycle - min(computing + BEFORE, MOST_BEFORE), 0), cycle + AFTER)


def result_cycle(result: BatchResult, difference: Difference, number: int) -> int:
    """The cycle in which the result of a differing image was taken."""
    return int(result.results[difference.image - number])
