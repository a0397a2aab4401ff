"""A compiled network: what the engine is built from. Plain data, made by `hw.compiler`."""

from dataclasses import dataclass
from math import prod

from amaranth.utils import bits_for

from hw.heads.counted_plan import head_cycles
from hw.heads.serial_plan import SerialPlan
from hw.maps.banks import BANKS
from hw.maps.geometry import Geometry
from hw.maps.layout import tiles
from hw.params import ArrayParameters, IndexPort
from hw.schedule import Timing
from hw.starts import PLACES
from hw.stream.shape import StreamShape
from model.format import Head, Network
from model.network import INPUT, PIXEL_BITS, VALUE_BITS

__all__ = [
    "LayerPlan", "MemoryImages", "Program", "Sizes", "StreamPlan", "score_bits",
    "threshold_bits",
]  # fmt: skip


def threshold_bits(sum_bits: int) -> int:
    """Bits of a word of the threshold memory: flip, and a start for every place in a map."""
    return 1 + PLACES * sum_bits


def score_bits(head: Head) -> int:
    """Width of a score, signed; also of its offset, and of what it comes to on the way."""
    largest = 128 * head.channels * head.height * head.width
    return bits_for(largest + max(abs(int(bias)) for bias in head.bias)) + 1


@dataclass(frozen=True)
class StreamPlan:
    """What the descriptor of a layer with a stream says besides.

    ``shift``, ``width``, ``cut``: places in `hw.stream.shape.StreamShape`'s choices. ``base``: of
    the channels' numbers. ``residual`` and ``kept``: places in the stream memory of the stream
    that is added and of the layer's own, None where there is no such thing. ``odd``: mask of the
    places in a map whose sums are odd, see `hw.starts`. ``adds_input``: the stem's stream is added,
    which has a memory of its own. ``largest``: if the stream is pooled, by its maximum, not its
    mean.
    """

    shift: int
    width: int
    cut: int
    base: int
    residual: int | None
    kept: int | None
    odd: int
    adds_input: bool
    largest: bool


@dataclass(frozen=True)
class LayerPlan:
    """The descriptor of one convolution: everything the sequencer needs to run it.

    Memory places count words: ``in_base`` and ``out_base`` in each bank of the activation memory
    (or in a half of the input memory, for the first layer), the others in their memories.
    ``last_channels`` is the number of real channels in the last group; ``slots`` the tiles that
    make one output word. ``height`` and ``width`` are of the input map. Tiles of sums:
    ``tiles`` are those computed (a pooled map's odd last row and column are left out where tiles
    hold nothing else), ``last_tile`` and ``last_row`` the place of the bottom row, where tiles of a
    cut row count as one, ``right_tile`` that of the last column; ``columns`` are the tiles computed
    of a row of sums, ``out_columns`` those that a row of the output is cut into; ``reads`` of three
    input words make a slot of a tile. ``out_bits`` planes a channel are put out.

    ``c_in`` counts the words of an input tile: its channels, or where they have ``repeats`` bits,
    their planes. Groups are those of one plane, and ``planes`` are those of activations or
    weights; ``plane_words`` words are between two of them. Of a 1x1 convolution (``pointwise``),
    ``taps`` channels make a slot, ``last_taps`` the last one; ``ones`` is set where taps outside
    the map are +1. ``flatten`` says that each pixel of the input map is a channel of its own.

    ``stands_in`` for a pooling, see `hw.stand_in`: the layer has no index words.

    In a graph: ``from_input`` says that the layer reads the input memory, ``release`` that it is
    the last one to do so, and ``stored`` that another layer reads its planes.
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
    right_tile: int
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
    out_bits: int
    from_input: bool
    release: bool
    stored: bool
    stream: StreamPlan | None
    pointwise: bool = False
    taps: int = 1
    last_taps: int = 1
    planes: int = 1
    repeats: int = 1
    plane_words: int = 0
    ones: bool = False
    flatten: bool = False
    stands_in: bool = False

    @property
    def tile_passes(self) -> int:
        return self.planes * self.groups

    @property
    def passes(self) -> int:
        return self.tiles * self.tile_passes

    @property
    def parts(self) -> int:
        """Reads of a channel."""
        return self.reads // self.taps

    @property
    def pool_cut(self) -> bool:
        """Whether the map is still wider than the lanes when it is pooled."""
        return self.pool and self.out_columns > 1

    @property
    def pools_stream(self) -> bool:
        """Whether its stream is what is pooled, not its bits."""
        return self.pool and self.stream is not None

    @property
    def skip(self) -> int:
        """Words of a residual that pooling leaves out at the end of a row of tiles."""
        return max(self.right_tile + 1 - self.columns, 0) * self.c_out if self.pool else 0

    @property
    def word_tiles(self) -> int:
        """Tiles from the first to the last one that makes an output word."""
        return self.slots + self.pool_cut * self.columns

    @property
    def index_words(self) -> int:
        """Index words of the layer: a pass' for each group, and each plane of weights."""
        return 0 if self.stands_in else self.planes // self.repeats * self.groups * self.c_out

    @property
    def rounds(self) -> int:
        """How often an image uses these: for each tile, and each plane of activations."""
        return self.tiles * self.repeats

    @property
    def out_words(self) -> int:
        """Output channels of all tiles."""
        return self.out_tiles * self.c_out

    @property
    def adds(self) -> bool:
        """Whether a residual is added."""
        return self.stream is not None and self.stream.residual is not None

    @property
    def keeps(self) -> bool:
        """Whether its stream is kept for a later layer."""
        return self.stream is not None and self.stream.kept is not None

    @property
    def sums_height(self) -> int:
        """Rows of the map that is computed, before pooling."""
        return 1 if self.flatten else -(-self.height // self.stride)

    @property
    def sums_width(self) -> int:
        return 1 if self.flatten else -(-self.width // self.stride)


@dataclass(frozen=True)
class Sizes:
    """Memory sizes and counter widths of an engine; `needed` gives those of a network.

    ``activation_words`` are per bank (three banks), ``input_words`` per bank and half (two
    halves), ``partial_sums`` one an output channel, ``pool_words`` one an output channel and tile
    of a row of a pooled map (of bits, streams have their own), ``sum_bits`` the width of an
    accumulated sum, ``stream_words`` the depth of the stream memory, ``index_words``,
    ``threshold_words``, ``codewords`` and ``head_words`` the depths of the network's memories.
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
    stream_words: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, not {value!r}")


@dataclass(frozen=True)
class MemoryImages:
    """Contents of the engine's read-only memories, one int a word.

    ``indices``: C indices of tau bits, channel j at bit ``tau * j``, in order of use.
    ``thresholds``: flip, then the starts of nine places from the lowest bit up, rotated; see
    `hw.starts`.
    ``codebooks``: kernel numbers, ``entries`` a layer. ``head``: 8-bit weights, class k at bit
    ``8 * k``, a word a channel; ``head_offsets``: one signed offset a class. ``streams``: an output
    channel's numbers, see `hw.stream.shape`. ``stem``: thresholds of a stem's channels, see
    `hw.inputs.stem`. ``descriptors``: a word a layer, see `hw.descriptor`, of a loadable engine;
    others have them in their logic.
    """

    indices: tuple[int, ...]
    thresholds: tuple[int, ...]
    codebooks: tuple[int, ...]
    head: tuple[int, ...]
    head_offsets: tuple[int, ...]
    streams: tuple[int, ...]
    stem: tuple[int, ...]
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """A network compiled for an engine.

    With an ``index_port``, the index words come through it (`hw.index.stream`) and the engine has
    no memory for them. ``serial_head`` is the plan of a head that `hw.heads.counted` does not do.

    ``loadable``: the network's memories can be written, see `hw.loading`. ``circuit``: the program
    that the engine was built from, where this one is only loaded into it: it decides the wiring.
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
    stream_shape: StreamShape | None = None
    serial_head: SerialPlan | None = None
    loadable: bool = False
    circuit: "Program | None" = None

    @property
    def wired(self) -> tuple[LayerPlan, ...]:
        """The layers that the circuit is made for."""
        return (self.circuit or self).plans

    @property
    def wired_head(self) -> Head:
        """The head that the circuit is made for."""
        return (self.circuit or self).network.head

    @property
    def chain(self) -> bool:
        """Whether every layer reads the one before and none else reads it."""
        last = len(self.wired) - 1
        return all(
            (plan.from_input, plan.release, plan.stored) == (place == 0, place == 0, place != last)
            for place, plan in enumerate(self.wired)
        )

    @property
    def activation_bits(self) -> int:
        """Bits of activation memory: the peak of what lives there at one time, and gaps if any."""
        return BANKS * self.sizes.activation_words * self.parameters.pixels

    @property
    def stream_bits(self) -> int:
        """Bits of stream memory, likewise."""
        width = self.stream_shape.value if self.stream_shape else 0
        return self.sizes.stream_words * self.parameters.pixels * width

    @property
    def stream_pool_words(self) -> int:
        """Words of pooled streams that are gathered at a time, see `hw.pool_memory`."""
        pooled = (plan for plan in self.plans if plan.pools_stream)
        return max((plan.c_out * plan.out_columns for plan in pooled), default=0)

    @property
    def most_planes(self) -> int:
        """The most planes that a channel of an output map has; at least 1."""
        return max(1, *(plan.out_bits for plan in self.wired))

    @property
    def colours(self) -> int:
        return self.network.image[0]

    @property
    def levels(self) -> int:
        """Input planes of each colour, or of each channel of a stem."""
        stem = self.network.stem
        return stem.out_bits if stem else self.network.planes_shape[0] // self.colours

    @property
    def reads(self) -> frozenset[int]:
        """Reads of three words that a slot takes, in one layer or another."""
        return frozenset(plan.reads for plan in self.wired)

    @property
    def parts(self) -> frozenset[int]:
        """Reads of three words that a channel takes, in one layer or another."""
        return frozenset(plan.parts for plan in self.wired)

    @property
    def taps(self) -> int:
        """The most channels that a slot holds; 0 without 1x1 convolutions."""
        return max((plan.taps for plan in self.wired if plan.pointwise), default=0)

    @property
    def planes(self) -> int:
        """The most bits of a number, activation or weight."""
        return max(plan.planes for plan in self.wired)

    @property
    def flatten(self) -> bool:
        """Whether a layer is dense on a flattened map."""
        return any(plan.flatten for plan in self.wired)

    @property
    def ones(self) -> bool:
        """Whether a layer takes what is outside its map for +1."""
        return any(plan.ones for plan in self.wired)

    @property
    def columns(self) -> int:
        """The most tiles that are computed of a row of sums; 1 where none is wider than the
        lanes."""
        return max(plan.columns for plan in self.wired)

    @property
    def strided(self) -> bool:
        """Whether a layer has stride 2."""
        return any(plan.stride == 2 for plan in self.wired)

    @property
    def classes(self) -> int:
        return self.network.head.classes

    @property
    def last_rows(self) -> tuple[frozenset[int], ...]:
        """For each geometry, the rows of a tile that are the last one of some layer's map."""
        return tuple(
            frozenset(plan.last_row for plan in self.wired if plan.geometry == number)
            for number in range(len(self.geometries))
        )

    @property
    def score_bits(self) -> int:
        """Width of a score, signed."""
        if self.serial_head:
            return self.serial_head.score_bits
        return score_bits(self.wired_head)

    @property
    def image_bytes(self) -> int:
        """Bytes that are sent for an image: its pixels, or its stem's stream."""
        if self.network.stem:
            return prod(self.network.stem.out_shape) * VALUE_BITS // 8
        colours, height, width = self.network.image
        return colours * height * width

    @property
    def input_bits(self) -> int:
        """Width of what the engine's input takes at a time: a pixel, or a value of a stem."""
        return VALUE_BITS if self.network.stem else PIXEL_BITS

    @property
    def keeps_input(self) -> bool:
        """Whether a layer adds the stem's stream."""
        return INPUT in self.network.kept_streams

    @property
    def input_stream_words(self) -> int:
        """Words of the stem's stream of one image, where a layer adds it; else 0."""
        if not self.keeps_input:
            return 0
        channels, height, width = self.network.stem.out_shape
        return channels * tiles(height, width, self.parameters.pixels)

    @property
    def load_cycles(self) -> int:
        """Cycles in which the encoder takes one image, when a pixel comes every cycle and no
        layer writes a word at the same time.

        A pixel (or a value of a stem's stream) a cycle, and a cycle for every finished word of a
        plane. It runs while the image before is computed.
        """
        planes, height, width = self.network.planes_shape
        numbers = 8 * self.image_bytes // self.input_bits
        return numbers + planes * tiles(height, width, self.parameters.pixels)

    @property
    def head_cycles(self) -> int:
        """Cycles from the last layer's end to the result, beside the next image's first layers."""
        if self.serial_head:
            return self.serial_head.cycles
        return head_cycles(self.classes, self.wired_head.channels, self.head_units)
