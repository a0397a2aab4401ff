"""A compiled network: what the engine is built from. Plain data, made by `hw.compiler`."""

from dataclasses import dataclass

from amaranth.utils import bits_for

from hw.geometry import Geometry
from hw.head_plan import head_cycles
from hw.layout import tiles
from hw.params import ArrayParameters, IndexPort
from hw.schedule import Timing
from hw.starts import PLACES
from model.format import Network

__all__ = ["LayerPlan", "MemoryImages", "Program", "Sizes", "score_bits", "threshold_bits"]


def threshold_bits(sum_bits: int) -> int:
    """Bits of a word of the threshold memory: flip, and a start for every place in a map."""
    return 1 + PLACES * sum_bits


def score_bits(network: Network) -> int:
    """Width of a score, signed; also of its offset, and of what it comes to on the way."""
    head = network.head
    largest = 128 * head.channels * head.height * head.width
    return bits_for(largest + max(abs(int(bias)) for bias in head.bias)) + 1


@dataclass(frozen=True)
class LayerPlan:
    """The descriptor of one convolution: everything the sequencer needs to run it.

    Memory places count words: ``in_base`` and ``out_base`` in each bank of the activation memory
    (or in a half of the input memory, for the first layer), the others in their memories.
    ``last_channels`` is the number of real channels in the last group; ``slots`` the tiles that
    make one output word. ``height`` and ``width`` are of the input map. Tiles of sums:
    ``tiles`` are those computed (a pooled map's odd last row is left out), ``last_tile`` and
    ``last_row`` the place of the bottom row, where tiles of a cut row count as one; ``columns``
    and ``out_columns`` are the tiles that a row of sums and of the output is cut into; ``reads``
    of three input words make a tile.
    """

    name: str
    c_in: int
    c_out: int
    height: int
    width: int
    stride: int
    pool: bool
    geometry: int
    reads: int
    columns: int
    tiles: int
    groups: int
    last_channels: int
    last_tile: int
    last_row: int
    slots: int
    out_height: int
    out_width: int
    out_tiles: int
    out_columns: int
    in_base: int
    out_base: int
    index_base: int
    threshold_base: int
    pass_cycles: int
    macs: int

    @property
    def passes(self) -> int:
        return self.tiles * self.groups

    @property
    def index_words(self) -> int:
        """Index words of the layer: a pass' for each group."""
        return self.groups * self.c_out

    @property
    def sums_height(self) -> int:
        """Rows of the map that is computed, before pooling."""
        return -(-self.height // self.stride)

    @property
    def sums_width(self) -> int:
        return -(-self.width // self.stride)


@dataclass(frozen=True)
class Sizes:
    """Memory sizes and counter widths of an engine; `needed` gives those of a network.

    ``activation_words`` are per bank (three banks), ``input_words`` per bank and half (two
    halves), ``partial_sums`` and ``pool_words`` one an output channel, ``sum_bits`` the width of
    an accumulated sum, ``index_words``, ``threshold_words``, ``codewords`` and ``head_words``
    the depths of the network's memories.
    """

    activation_words: int
    input_words: int
    index_words: int
    threshold_words: int
    codewords: int
    head_words: int
    partial_sums: int
    pool_words: int
    sum_bits: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, not {value!r}")


@dataclass(frozen=True)
class MemoryImages:
    """Contents of the engine's read-only memories, one int a word.

    ``indices``: C indices of tau bits, channel j at bit ``tau * j``, in order of use.
    ``thresholds``: flip, then the starts of nine places from the lowest bit up, see `hw.starts`.
    ``codebooks``: kernel numbers, ``entries`` a layer. ``head`` and ``head_offsets``: weights and
    offsets of the dense layer, in the words of `hw.head_plan`.
    """

    indices: tuple[int, ...]
    thresholds: tuple[int, ...]
    codebooks: tuple[int, ...]
    head: tuple[int, ...]
    head_offsets: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A network compiled for an engine.

    ``head_units`` are the head's multipliers. With an ``index_port``, the index words come through
    it (`hw.index_stream`) and the engine has no memory for them.
    """

    network: Network
    parameters: ArrayParameters
    timing: Timing
    sizes: Sizes
    geometries: tuple[Geometry, ...]
    plans: tuple[LayerPlan, ...]
    images: MemoryImages
    head_units: int
    index_port: IndexPort | None = None

    @property
    def colours(self) -> int:
        return self.network.image[0]

    @property
    def levels(self) -> int:
        """Thermometer levels a colour."""
        return self.network.input_thresholds.shape[1]

    @property
    def reads(self) -> frozenset[int]:
        """Reads of three words that a channel takes, in one layer or another."""
        return frozenset(plan.reads for plan in self.plans)

    @property
    def columns(self) -> int:
        """The most tiles that a row is cut into; 1 where no map is wider than the lanes."""
        return max(plan.columns for plan in self.plans)

    @property
    def strided(self) -> bool:
        """Whether a layer has stride 2."""
        return any(plan.stride == 2 for plan in self.plans)

    @property
    def classes(self) -> int:
        return self.network.head.classes

    @property
    def last_rows(self) -> tuple[frozenset[int], ...]:
        """For each geometry, the rows of a tile that are the last one of some layer's map."""
        return tuple(
            frozenset(plan.last_row for plan in self.plans if plan.geometry == number)
            for number in range(len(self.geometries))
        )

    @property
    def score_bits(self) -> int:
        """Width of a score, signed."""
        return score_bits(self.network)

    @property
    def image_bytes(self) -> int:
        colours, height, width = self.network.image
        return colours * height * width

    @property
    def load_cycles(self) -> int:
        """Cycles in which the encoder takes one image, when a pixel comes every cycle and no
        layer writes a word at the same time.

        A pixel a cycle, and a cycle a level for every finished word. It runs while the image
        before is computed.
        """
        first = self.plans[0]
        words = tiles(first.height, first.width, self.parameters.pixels)
        return self.image_bytes + self.colours * words * self.levels

    @property
    def head_cycles(self) -> int:
        """Cycles from the last layer's end to the result, beside the next image's first layers."""
        return head_cycles(self.classes, self.network.head.channels, self.head_units)
