"""Stream unit: every lane's exact sum becomes a number of the stream, and the stream becomes bits.

`model.fixed_point` says what is computed; here is when. One output channel a cycle, all lanes side
by side, the channel's numbers broadcast to them::

    cycle   at the registers' inputs                       numbers that come with it
    0       sum * multiplier                               multiplier
    1       (product + offset) >> shift                    offset
    2       + residual, saturated                          (residual)
    3       + before                                       before   \\
    4       * slope                                        slope     } only with a PReLU
    5       >> 6 where negative, + after, saturated        after    /
    last    value; in its place: levels against the threshold

Where streams are pooled, the values leave the unit for `hw.stream.pool` and come back, and only
then are compared.

The shift belongs to a layer. A network has few different ones, so it is a multiplexer over these,
as are the stream's width and the way it is cut into planes.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.pipeline import delay
from hw.stream.multiplier import Multiplier
from hw.stream.shape import StreamShape
from model.fixed_point import SLOPE_SHIFT

__all__ = ["StreamUnit", "hold"]


class StreamUnit(wiring.Component):
    """See the module.

    ``value_latency`` is 3 cycles, 6 with a PReLU; ``latency``, that of ``planes``, one more and, if
    streams are pooled, what that takes.

    Parameters
    ----------
    shape : widths and choices. pixels : lanes. sum_bits : width of a sum.

    Members
    -------
    sums : In, [P] signed(sum_bits); numbers : In, a word of ``shape``, with them.
    residual : In, [P] signed, two cycles after the sums.
    shift, width, cut : In, places in ``shape``'s ``shifts``, ``widths`` and ``cuts``, constant in
        a layer.
    values : Out, [P] signed, the stream. planes : Out, [most_planes] words of P bits, highest
        plane first.
    pooled : In, [P] signed, the stream behind its pool, ``shape.pool_latency`` cycles after the
        values; only if streams are pooled.
    """

    def __init__(self, shape: StreamShape, *, pixels: int, sum_bits: int):
        self.shape = shape
        self.pixels = pixels
        values = data.ArrayLayout(signed(shape.value), pixels)
        super().__init__(
            {
                "sums": In(data.ArrayLayout(signed(sum_bits), pixels)),
                "numbers": In(shape.word),
                "residual": In(values),
                "shift": In(range(max(len(shape.shifts), 2))),
                "width": In(range(max(len(shape.widths), 2))),
                "cut": In(range(max(len(shape.cuts), 2))),
                "values": Out(values),
                **({"pooled": In(values)} if shape.pools else {}),
                "planes": Out(data.ArrayLayout(pixels, shape.most_planes)),
            }
        )

    @property
    def value_latency(self) -> int:
        return self.shape.value_latency

    @property
    def latency(self) -> int:
        return self.shape.latency

    def elaborate(self, platform) -> Module:
        m = Module()
        shape, now = self.shape, self.numbers
        offset = delay(m, now.offset, 1, "offset")
        threshold = delay(m, now.threshold, self.latency - 1, "threshold")
        if shape.prelu:
            before = delay(m, now.before, 3, "before")
            slope = delay(m, now.slope, 4, "slope")
            after = delay(m, now.after, 5, "after")
        for lane in range(self.pixels):
            product = _product(m, self.sums[lane], now.multiplier, f"scale_multiply{lane}")
            scaled = Signal(signed(shape.scaled), name=f"scaled{lane}")
            total = product + offset
            shifted = [total >> shift for shift in shape.shifts]
            m.d.sync += scaled.eq(_chosen(m, self.shift, shifted, f"shifted{lane}"))
            value = self._saturated(m, scaled + self.residual[lane], f"sum{lane}")
            if shape.prelu:
                moved = _register(m, value + before, f"moved{lane}")
                product = _product(m, moved, slope, f"slope_multiply{lane}")
                moved = _register(m, moved, f"moved_on{lane}")
                bent = Mux(moved < 0, product >> SLOPE_SHIFT, moved)
                value = self._saturated(m, bent + after, f"bent_sum{lane}")
            m.d.comb += self.values[lane].eq(value)
            if shape.pools:
                value = self.pooled[lane]
            cuts = [self._levels(value - threshold, *cut) for cut in shape.cuts]
            if cuts:
                levels = _register(m, _chosen(m, self.cut, cuts, f"cut{lane}"), f"levels{lane}")
                m.d.comb += [plane[lane].eq(levels[n]) for n, plane in enumerate(self.planes)]
        return m

    def _saturated(self, m: Module, number: Value, name: str) -> Signal:
        """Registered, and held to the layer's width."""
        held = [hold(number, width) for width in self.shape.widths]
        value = Signal(signed(self.shape.value), name=f"{name}_held")
        m.d.sync += value.eq(_chosen(m, self.width, held, name))
        return value

    def _levels(self, above: Value, planes: int, step: int) -> Value:
        """Bits of the level of a value so far above the threshold, the highest bit first."""
        if planes == 1:
            return ~above[-1]
        # As two's complement, a level less its half; the half turns the highest bit over.
        level = hold(above >> step, planes).as_unsigned() ^ 1 << (planes - 1)
        return Cat(level[planes - 1 - n] for n in range(planes))


def _register(m: Module, value: Value, name: str) -> Signal:
    register = Signal(value.shape(), name=name)
    m.d.sync += register.eq(value)
    return register


def _product(m: Module, a: Value, b: Value, name: str) -> Value:
    """Registered; a submodule of this name."""
    m.submodules[name] = multiplier = Multiplier(len(a), len(b))
    m.d.comb += [multiplier.a.eq(a), multiplier.b.eq(b)]
    return multiplier.product


def _chosen(m: Module, choice: Value, values: list[Value], name: str) -> Value:
    """The value at place ``choice``; nothing is built for a single one."""
    if len(values) == 1:
        return values[0]
    width = max(len(value) for value in values)
    sign = any(value.shape().signed for value in values)
    chosen = Signal(signed(width) if sign else width, name=name)
    with m.Switch(choice):
        for place, value in enumerate(values):
            with m.Case(place):
                m.d.comb += chosen.eq(value)
    return chosen


def hold(number: Value, width: int) -> Value:
    """A signed number held to ``width`` bits."""
    if len(number) <= width:
        return Cat(number, number[-1].replicate(width - len(number))).as_signed()
    top, sign = number[width - 1 :], number[-1]
    limit = Cat((~sign).replicate(width - 1), sign)
    return Mux(top.all() | ~top.any(), number[:width], limit).as_signed()
