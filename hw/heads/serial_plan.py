"""A head that works behind the last layer (`hw.heads.serial`): its widths, contents and cycles.

Up to 256 classes over counted +1 pixels are the business of `hw.heads.counted`. All other heads get
their **features** one a cycle, and ``parallel`` classes at a time take up each of them. A feature
is the sum of a channel's map ("sums"), +1 pixels counted or stream values, or, of a flattened map,
a single pixel of a word ("words").
"""

from dataclasses import dataclass

import numpy as np
from amaranth.utils import bits_for

from hw.heads.counted_plan import SHARE
from hw.maps.layout import row_tiles, rows_per_tile, tile_columns, tiles
from hw.stream.shape import StreamShape
from model.network import Head, Network

__all__ = ["WEIGHT_BITS", "SerialPlan", "is_counted", "plan_serial"]

COUNTED_CLASSES = 256  # most of `hw.heads.counted`
WEIGHT_BITS = 8
# Multipliers that a head takes at most where nothing hides its work.
MOST_PARALLEL = 16
# Cycles from the last feature that `hw.heads.dense` gets to the first score that it sends, less
# those of the last round's classes.
DENSE_LATENCY = 4


@dataclass(frozen=True)
class SerialPlan:
    """See the module.

    ``kind`` is "sums" or "words". ``value_bits`` are those of a lane of the words: 1 for
    planes, else the stream's, signed. ``channels``, ``height`` and ``width`` are of the last map,
    ``pixels`` the lanes, ``classes`` the head's; ``largest_bias`` bounds the biases.
    """

    kind: str
    channels: int
    height: int
    width: int
    pixels: int
    classes: int
    value_bits: int
    on_stream: bool
    parallel: int
    largest_bias: int

    @property
    def size(self) -> int:
        """Pixels of the map."""
        return self.height * self.width

    @property
    def features(self) -> int:
        return self.channels * (self.size if self.kind == "words" else 1)

    @property
    def stored_words(self) -> int:
        """Words of the memory that features are kept in."""
        return self.channels * (self.tiles if self.kind == "words" else 1)

    @property
    def rounds(self) -> int:
        """Times that all features come by."""
        return -(-self.classes // self.parallel)

    @property
    def feature_bits(self) -> int:
        """Width of a feature: signed where it comes from a stream."""
        if self.kind == "words":
            return self.value_bits
        return self.value_bits + (self.size - 1).bit_length() if self.on_stream else bits_for(
            self.size
        )

    @property
    def _largest(self) -> int:
        """What the sum of weights times features cannot exceed, either side of zero."""
        value = 1 << (self.value_bits - 1)
        return 128 * self.channels * self.size * value

    @property
    def sum_bits(self) -> int:
        """Width of an accumulator, signed."""
        return bits_for(self._largest) + 1

    @property
    def score_bits(self) -> int:
        """Width of a score, signed."""
        return bits_for(self._largest + self.largest_bias) + 1

    @property
    def label_bits(self) -> int:
        return max(8, bits_for(self.classes - 1))

    @property
    def row_tiles(self) -> int:
        return row_tiles(self.width, self.pixels)

    @property
    def tiles(self) -> int:
        return tiles(self.height, self.width, self.pixels)

    @property
    def lanes(self) -> int:
        """Lanes of a tile that hold a pixel."""
        return rows_per_tile(self.width, self.pixels) * tile_columns(self.width, self.pixels)

    @property
    def last_lanes(self) -> int:
        """Those of the map's last tile, or of a row's where rows are cut."""
        if self.row_tiles > 1:
            return self.width - (self.row_tiles - 1) * self.lanes
        return self.size - (self.tiles - 1) * self.lanes

    @property
    def levels(self) -> int:
        """Registers of the tree that adds a word's lanes (`hw.heads.feature_sums`), or 0."""
        return (self.lanes - 1).bit_length() if self.kind == "sums" else 0

    @property
    def feature_latency(self) -> int:
        """Cycles from asking for a feature to having it."""
        return 2 if self.kind == "words" else 1

    @property
    def cycles(self) -> int:
        """Cycles from the last layer's end to the result.

        One for each feature of each round, for each class of the last round, and for each class to
        be sent.
        """
        last = self.classes - (self.rounds - 1) * self.parallel
        work = self.rounds * self.features + last
        return self.levels + self.feature_latency + work + DENSE_LATENCY + self.classes

    @property
    def feature_order(self) -> np.ndarray:
        """Columns of the head's weight, int64 [features], in the order in which features come.

        Pixels come word by word as they lie in memory, lane by lane.
        """
        if self.kind != "words":
            return np.arange(self.channels)
        places = np.arange(self.features).reshape(self.channels, self.height, self.width)
        rows = rows_per_tile(self.width, self.pixels)
        columns = tile_columns(self.width, self.pixels)
        return np.concatenate(
            [
                plane[top : top + rows, left : left + columns].reshape(-1)
                for top in range(0, self.height, rows)
                for left in range(0, self.width, columns)
                for plane in places
            ]
        )

    def weight_words(self, weight: np.ndarray) -> tuple[int, ...]:
        """Words of the weight memory, of weights int8 [classes, features].

        Round by round, a word a feature, the round's class k at bit ``8 * k``.
        """
        ordered = weight.astype(np.int64)[:, self.feature_order] & 0xFF
        each = self.parallel
        return tuple(
            sum(w << WEIGHT_BITS * k for k, w in enumerate(column))
            for first in range(0, self.classes, each)
            for column in ordered[first : first + each].T.tolist()
        )

    def offsets(self, weight: np.ndarray, bias: np.ndarray) -> tuple[int, ...]:
        """What is added to each class' sum, which counts +1 pixels twice and no others."""
        if self.on_stream:
            return tuple(bias.tolist())
        area = 1 if self.kind == "words" else self.size
        totals = weight.astype(np.int64).sum(axis=1)
        return tuple((bias.astype(np.int64) - area * totals).tolist())


def is_counted(head: Head) -> bool:
    """Whether `hw.heads.counted` does it."""
    return head.on == "planes" and not head.flatten and head.classes <= COUNTED_CLASSES


def plan_serial(
    network: Network, pixels: int, hidden: int, streams: StreamShape | None
) -> SerialPlan:
    """The plan of a network's head; ``streams`` is the shape of the network's streams.

    ``hidden`` cycles of the next image pass before its last layer. The fewest classes at a time,
    a power of two, keep the head's work within a tenth of these, as `hw.heads.counted_plan` does;
    and then the fewest that take no more rounds, for a word of the weight memory is as wide.
    """
    head, on_stream = network.head, network.head.on == "stream"
    value_bits = streams.value if on_stream else 1

    def plan(parallel: int) -> SerialPlan:
        return SerialPlan(
            kind="words" if head.flatten else "sums",
            channels=head.channels,
            height=head.height,
            width=head.width,
            pixels=pixels,
            classes=head.classes,
            value_bits=value_bits,
            on_stream=on_stream,
            parallel=parallel,
            largest_bias=max(abs(int(bias)) for bias in head.bias),
        )

    # The scores of a round come out while the features of the next one come by.
    most = min(head.classes, plan(1).features, MOST_PARALLEL)
    for parallel in (1 << n for n in range(most.bit_length())):
        chosen = plan(-(-head.classes // plan(parallel).rounds))
        if SHARE * chosen.cycles <= hidden:
            break
    return chosen
