"""The border correction: makes zero padding exact, whatever the arrays made of masked taps."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.array.adder import AdderShape, PlaneAdder
from hw.array.planes import LaneNumbers
from hw.params import KERNEL_BITS
from hw.pipeline import delay

__all__ = ["BorderCorrection", "correction_bits"]

TOP, BOTTOM, LEFT, RIGHT = (0, 1, 2), (6, 7, 8), (0, 3, 6), (2, 5, 8)
TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = 0, 2, 6, 8
_SUM_STAGES = 4  # sides, classes' N, classes' corrections, lanes
SINGLE_TAPS = 8  # masked in a map of one pixel: all but the middle


def _pick(select: Value, one: Value, other: Value) -> Value:
    return (select & one) | (~select & other)


def _count_shape(channels: int) -> AdderShape:
    """Counts the zeros of each tap; the taps are the lanes."""
    return AdderShape((0,), (channels,), channels.bit_length(), barriers=0)


def correction_bits(channels: int, e_bits: int) -> int:
    """Bits of a correction, its sign included."""
    return 1 + max((SINGLE_TAPS * channels).bit_length(), e_bits)


class BorderCorrection(wiring.Component):
    """What to add to the arrays' sums in lanes whose windows reach over the map's border.

    cycle                        | s       | ... | s + latency
    kernels, last, q, e_*,       |         |     |
    single_*, row_*, col_*       | of a word |   |
    correction                   |         |     | for this word

    Windows hold 0 at masked taps, so an array counts an agreement there whenever the kernel's bit
    is 0. With N the number of these (channels times masked taps) the agreements at the valid taps
    are sums - N. Let e = masked taps x c_in. The convolution is

        acc = 2 (sums - N) - (9 c_in - e)     (sums and N added up over all groups), hence
        acc >= T   if and only if   sums - N + ((e + q) >> 1) >= (T + 9 c_in + q) / 2

    with q = (T + 9 c_in) mod 2. The right side is the same for all lanes: a folded threshold. So
    the correction is -N in each group and that plus (e + q) >> 1 in the last. It is computed for
    the eight border classes once and selected lane by lane; it is 0 inside the map.

    Members
    -------
    kernels : In(9 C), the arrays' ``kernels``; null channels are all ones and count nothing.
    last : In(1), this is the layer's last group.
    q : In(1), parity of the output channel's T + 9 c_in.
    e_row, e_col, e_corner : In(e_bits), masked taps x c_in of a lane at a horizontal border only,
        at a vertical one only, at both.
    single_row, single_column : In(1), the map is one pixel high / wide: there the classes
        row_first / col_first mask both sides (and row_last / col_last must not be set).
    row_first, row_last, col_first, col_last : In(P), the lanes' classes.
    correction : Out, P x signed(correction_bits).

    Parameters
    ----------
    pixels, channels : P and C.
    e_bits : bits of the widest e, 8 x c_in at most.
    """

    def __init__(self, pixels: int, channels: int, e_bits: int):
        if e_bits < 1:
            raise ValueError(f"e_bits must be at least 1, not {e_bits!r}")
        self.pixels, self.channels, self.e_bits = pixels, channels, e_bits
        lanes = In(pixels)
        number = signed(correction_bits(channels, e_bits))
        super().__init__(
            {
                "kernels": In(channels * KERNEL_BITS),
                "last": In(1),
                "q": In(1),
                "e_row": In(e_bits),
                "e_col": In(e_bits),
                "e_corner": In(e_bits),
                "single_row": In(1),
                "single_column": In(1),
                "row_first": lanes,
                "row_last": lanes,
                "col_first": lanes,
                "col_last": lanes,
                "correction": Out(data.ArrayLayout(number, pixels)),
            }
        )

    @staticmethod
    def latency_of(channels: int) -> int:
        """Cycles from the inputs to ``correction``."""
        return _count_shape(channels).latency + _SUM_STAGES

    def elaborate(self, platform):
        m = Module()
        m.submodules.adder = adder = PlaneAdder(KERNEL_BITS, _count_shape(self.channels))
        m.d.comb += adder.plain_0.eq(~self.kernels)
        taps = [Cat(count[tap] for count in adder.sums) for tap in range(KERNEL_BITS)]

        latency = self.latency_of(self.channels)
        to_classes = latency - _SUM_STAGES + 1
        single_row = delay(m, self.single_row, to_classes, "late")
        single_column = delay(m, self.single_column, to_classes, "late")
        classes = self._class_counts(m, taps, single_row, single_column)
        last = delay(m, self.last, to_classes + 1, "late")
        q = delay(m, self.q, to_classes + 1, "late")
        bits = correction_bits(self.channels, self.e_bits)
        corrections = {}
        for key, count in classes.items():
            e = {"row": self.e_row, "col": self.e_col}.get(key[:3], self.e_corner)
            e = delay(m, e, to_classes + 1, "late")
            corrections[key] = Signal(signed(bits), name=f"correction_{key}")
            m.d.sync += corrections[key].eq(Mux(last, (e + q) >> 1, 0) - count)
        m.submodules.lanes = lanes = LaneNumbers(self.pixels, signed(bits))
        for plane, selected in zip(lanes.planes, self._select(m, corrections), strict=True):
            m.d.comb += plane.eq(selected)
        m.d.comb += self.correction.eq(lanes.numbers)
        return m

    def _class_counts(self, m, taps, single_row, single_column) -> dict[str, Value]:
        """N of the eight classes, two cycles after the counts of the taps."""
        side = {}
        for name, members in {"top": TOP, "bottom": BOTTOM, "left": LEFT, "right": RIGHT}.items():
            total = sum(taps[tap] for tap in members)
            side[name] = Signal(total.shape(), name=name)
            m.d.sync += side[name].eq(total)
        corner = [delay(m, taps[tap], 1, "late") for tap in range(KERNEL_BITS)]
        below = Mux(single_row, side["bottom"], 0)
        beside = Mux(single_column, side["right"], 0)
        rows = {"first": side["top"] + below, "last": side["bottom"]}
        cols = {"first": side["left"] + beside, "last": side["right"]}
        both = {
            ("first", "first"): corner[TOP_LEFT]
            + Mux(single_column, corner[TOP_RIGHT], 0)
            + Mux(single_row, corner[BOTTOM_LEFT], 0)
            + Mux(single_row & single_column, corner[BOTTOM_RIGHT], 0),
            ("first", "last"): corner[TOP_RIGHT] + Mux(single_row, corner[BOTTOM_RIGHT], 0),
            ("last", "first"): corner[BOTTOM_LEFT] + Mux(single_column, corner[BOTTOM_RIGHT], 0),
            ("last", "last"): corner[BOTTOM_RIGHT],
        }
        counts = {f"row_{name}": value for name, value in rows.items()}
        counts |= {f"col_{name}": value for name, value in cols.items()}
        counts |= {f"{row}_{col}": rows[row] + cols[col] - n for (row, col), n in both.items()}
        registered = {}
        for key, count in counts.items():
            registered[key] = Signal(range(SINGLE_TAPS * self.channels + 1), name=f"count_{key}")
            m.d.sync += registered[key].eq(count)
        return registered

    def _select(self, m, corrections) -> list[Value]:
        """Planes of the lanes' corrections, one cycle after those of the classes."""
        horizontal = self.row_first | self.row_last
        vertical = self.col_first | self.col_last
        lower, right = self.row_last & ~self.row_first, self.col_last & ~self.col_first
        late = self.latency_of(self.channels) - 1
        bottom, far = delay(m, lower, late, "late"), delay(m, right, late, "late")
        is_row = delay(m, horizontal & ~vertical, late, "late")
        is_late = delay(m, _pick(horizontal, lower, right), late, "late")
        is_corner = delay(m, horizontal & vertical, late, "late")
        is_border = delay(m, horizontal | vertical, late, "late")

        everywhere = (1 << self.pixels) - 1
        planes = []
        for place in range(correction_bits(self.channels, self.e_bits)):
            bit = {key: Mux(value[place], everywhere, 0) for key, value in corrections.items()}
            side = _pick(
                is_row,
                _pick(is_late, bit["row_last"], bit["row_first"]),
                _pick(is_late, bit["col_last"], bit["col_first"]),
            )
            corner = _pick(
                bottom,
                _pick(far, bit["last_last"], bit["last_first"]),
                _pick(far, bit["first_last"], bit["first_first"]),
            )
            plane = Signal(self.pixels, name=f"plane{place}")
            m.d.sync += plane.eq(is_border & _pick(is_corner, corner, side))
            planes.append(plane)
        return planes
