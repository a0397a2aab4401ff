"""The static wiring that a map's width asks for: which lane neighbours which, which lanes pool.

At stride 2 a lane holds an output, and its window's taps come from every second row and column.
With powers of two, an input tile and the one below it hold just the rows, with one row above,
that as many output rows as an input tile has rows need::

    input tiles       rows (2 a tile)        output rows (2, or 4 in a word)
    previous          - 3     the row above
    middle (even)     4 5     ----------.
    next              6 7     ----------'->  2 3       a part of the output's word

As an output row is half as long, an output word has room for one such part or for two.

Where input rows are cut (see `hw.maps.layout`), a tile of outputs takes two tiles of a row, and
from the one to the left its last column; with odd lanes, a row of outputs that fits may take three
tiles.

The engine holds one multiplexer input for each `Geometry` that the network has, so everything
about lanes is known when the engine is built and no address arithmetic is left for run time.
"""

from dataclasses import dataclass

from hw.maps.layout import row_tiles, rows_per_tile, tile_columns

__all__ = ["BESIDE", "Geometry", "lane_mask"]

# Tiles of a cut row in the order in which they are read, by their distance from the middle one.
BESIDE = (-1, 1, 0)


@dataclass(frozen=True)
class Geometry:
    """An input map's width, the number of lanes and the stride (1 or 2) at which windows lie.

    Rows are as `hw.maps.layout` lays them. What concerns lanes of sums (pooling, borders) is asked
    of ``outputs``, the geometry of the map that is computed: at stride 1, the same. Of a map that
    is flattened, ``flat``, one pixel is computed.
    """

    width: int
    pixels: int
    stride: int = 1
    flat: bool = False

    @property
    def outputs(self) -> "Geometry":
        """The geometry of the sums' map."""
        return Geometry(1 if self.flat else -(-self.width // self.stride), self.pixels)

    @property
    def parts(self) -> int:
        """Reads of three tiles that fill a word of outputs: 1 or 2."""
        return 1 if self.flat else self.outputs.rows // self.rows

    @property
    def part_lanes(self) -> int:
        """Lanes of outputs that one read fills."""
        return self.rows * self.outputs.width

    def taps(self, row: int, column: int) -> list[tuple[str, int] | None]:
        """For each lane of a part at stride 2, where the tap at this offset lies.

        ``row`` is -1, 0 or 1 and ``column`` 0 or 1, from the window's middle; the tap to the left
        is the one to the right of the lane before. (tile, lane in it) as in `above`, and None
        where the map's last column is passed.
        """
        places = []
        for out_row in range(self.rows):
            tile, row_in_tile = divmod(2 * out_row + row, self.rows)
            name = ("current", "next", "previous")[tile]
            for out_column in range(self.outputs.width):
                at = 2 * out_column + column
                inside = at < self.width
                places.append((name, row_in_tile * self.width + at) if inside else None)
        return places

    @property
    def first_middle(self) -> int:
        """At stride 2: the input tile that is the middle one for a row's first tile of outputs.

        The second one where a whole row of outputs takes three tiles.
        """
        return int(self.row_tiles == 3 and self.outputs.row_tiles == 1)

    def cut_taps(self, column: int) -> list[tuple[int, int]]:
        """As `taps`, where rows are cut: for each lane of outputs (place in `BESIDE`, lane)."""
        places = []
        for out_column in range(self.outputs.columns):
            tile, lane = divmod(2 * out_column + column, self.columns)
            places.append((BESIDE.index(tile - self.first_middle), lane))
        return places

    @property
    def rows(self) -> int:
        return rows_per_tile(self.width, self.pixels)

    @property
    def columns(self) -> int:
        """Columns in a tile: all of them, unless the map is wider than the lanes."""
        return tile_columns(self.width, self.pixels)

    @property
    def row_tiles(self) -> int:
        """Tiles that a row is cut into."""
        return row_tiles(self.width, self.pixels)

    @property
    def lanes(self) -> int:
        """Lanes that hold a pixel; in the last tile of a cut row there may be fewer."""
        return self.rows * self.columns

    @property
    def pooled(self) -> "Geometry":
        """The geometry of the map after 2x2 pooling."""
        return Geometry(self.width // 2, self.pixels)

    @property
    def pooled_lanes(self) -> int:
        """Lanes of the pooled word that one tile contributes to."""
        return max(self.rows // 2, 1) * max(self.columns // 2, 1)

    @property
    def pooled_tiles(self) -> int:
        """Tiles of a row that pooling takes: all, unless the last holds only an odd last column."""
        return -(-self.pooled.width * 2 // self.columns)

    @property
    def pooled_slots(self) -> int:
        """Tiles that make up one pooled word: 2 rows of them while a tile holds a single row.

        Where the pooled map is cut, too, a word takes these slots twice: from either row.
        """
        if self.rows > 1:
            return self.pooled.rows // (self.rows // 2)
        if self.pooled.row_tiles > 1:
            return 2
        return 2 * self.pooled.rows * self.pooled_tiles

    def pooled_offset(self, slot: int) -> int:
        """First lane of the pooled word that the tile in this slot contributes to."""
        if self.rows > 1:
            return slot * self.pooled_lanes
        if self.pooled.row_tiles > 1:
            return slot * (self.columns // 2)
        row, place = divmod(slot, self.pooled_tiles)
        return row // 2 * self.pooled.width + place * (self.columns // 2)

    def pooled_mask(self, slot: int) -> int:
        """Which of its pooled lanes this tile has: the last tile of a cut row may have fewer.

        Where the pooled map is cut, lanes behind its last column are idle and need no mask.
        """
        if self.row_tiles == 1 or self.pooled.row_tiles > 1:
            return lane_mask(self.pooled_lanes)
        left = slot % self.pooled_tiles * (self.columns // 2)
        return lane_mask(min(self.pooled_lanes, self.pooled.width - left))

    def pooled_sources(self) -> list[list[int]]:
        """For each pooled lane of one tile, the lanes whose OR it is."""
        sources = []
        for row in range(0, max(self.rows - 1, 1), 2):
            for column in range(0, max(self.columns // 2 * 2, 1), 2):
                # A single lane holds one of the four at a time.
                pair = range(column, column + min(self.columns, 2))
                pooled_rows = range(row, row + min(self.rows, 2))
                sources.append([r * self.columns + c for r in pooled_rows for c in pair])
        return sources

    def above(self, lane: int) -> tuple[str, int]:
        """Where the pixel above a lane lies: ("current" or "previous" tile, lane in it)."""
        if lane >= self.columns:
            return "current", lane - self.columns
        return "previous", self.lanes - self.columns + lane

    def below(self, lane: int) -> tuple[str, int]:
        """Where the pixel below a lane lies: ("current" or "next" tile, lane in it)."""
        if lane + self.columns < self.lanes:
            return "current", lane + self.columns
        return "next", lane + self.columns - self.lanes

    def row_lanes(self, row: int) -> int:
        """Mask of the lanes of one row of the tile."""
        return lane_mask(self.columns) << (row * self.columns)

    @property
    def first_column(self) -> int:
        """Mask of the lanes in the map's first column, in a row's first tile."""
        return sum(1 << row * self.columns for row in range(self.rows))

    @property
    def last_column(self) -> int:
        """Mask of the lanes in the map's last column, in a row's last tile."""
        return self.first_column << ((self.width - 1) % self.columns)


def lane_mask(lanes: int) -> int:
    """Mask of the lowest lanes."""
    return (1 << lanes) - 1
