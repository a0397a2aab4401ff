"""The direct array: every lane and channel recomputes its XNOR-popcount with each index."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import wiring

from hw.array.adder import AdderShape, PlaneAdder
from hw.array.codebook import IndexDecoder
from hw.array.interface import ArrayTiming, array_members, sum_bits
from hw.array.planes import LaneNumbers, TapPlanes
from hw.array.rows import CARRIES, ROW_FORM_BITS, agreement_carries, row_form
from hw.params import KERNEL_BITS, ArrayParameters

__all__ = ["DirectArray"]

CARRY_LATENCY = 1


def _sum_shape(p: ArrayParameters) -> AdderShape:
    return AdderShape((p.channels, 0), (0, CARRIES * p.channels), sum_bits(p), barriers=2)


class DirectArray(wiring.Component):
    """P x C units that compute the number of taps at which a window agrees with a kernel.

    cycle   | t    | t + 1 = s | s + 1   | s + 2    | ... | s + latency
    load    | last |           |         |          |     |
    swap    |      | 1         |         |          |     |
    index   |      | word      |         |          |     |
    flips   |      |           | decoded |          |     |
    carries |      |           |         | of rows  |     |
    sums    |      |           |         |          |     | of this word

    The last channel is loaded in cycle t, ``swap`` comes in the next cycle or later, and from
    the cycle of ``swap`` on the next windows may be loaded. Codewords serve indices from the
    cycle after their write on.

    A lane's sum is the sum over the channels of p, the agreements of window and kernel; null
    channels (null when loaded and null in every index word) add nothing.

    Parameters
    ----------
    parameters : ArrayParameters, array "direct".
    """

    def __init__(self, parameters: ArrayParameters):
        if parameters.array != "direct":
            raise ValueError(f"parameters are those of a {parameters.array} array, not direct")
        self.parameters = parameters
        super().__init__(array_members(parameters))

    @staticmethod
    def timing(parameters: ArrayParameters) -> ArrayTiming:
        """The latencies of an array with these parameters."""
        return ArrayTiming(
            latency=IndexDecoder.latency + CARRY_LATENCY + _sum_shape(parameters).latency,
            prepare_latency=1,
            load_lead=0,
        )

    def elaborate(self, platform):
        m = Module()
        p = self.parameters
        m.submodules.decoder = decoder = IndexDecoder(p)
        m.d.comb += [
            decoder.index.eq(self.index),
            decoder.null.eq(self.null),
        ]
        if p.has_codebook:
            m.d.comb += [
                decoder.enable.eq(self.codebook_write.enable),
                decoder.write_address.eq(self.codebook_write.address),
                decoder.write_data.eq(self.codebook_write.data),
            ]

        # A window of zeros agrees nowhere with a kernel of ones: that is a null channel.
        m.submodules.taps = taps = TapPlanes(p.pixels)
        m.d.comb += taps.windows.eq(self.load.windows)
        loading = Signal(ROW_FORM_BITS * p.pixels)
        planes = [taps.planes.word_select(tap, p.pixels) for tap in range(KERNEL_BITS)]
        m.d.comb += loading.eq(Cat(row_form(planes)))
        carries, parities, parity_flips = [], [], []
        for j in range(p.channels):
            back = Signal.like(loading, name=f"back{j}")
            front = Signal.like(loading, name=f"front{j}")
            loaded = self.load.valid & (self.load.channel == j)
            with m.If(loaded & self.load.null):  # first, to become the flip-flops' reset
                m.d.sync += back.eq(0)
            with m.Elif(loaded):
                m.d.sync += back.eq(loading)
            with m.If(self.swap):
                m.d.sync += front.eq(back)
            window = [front.word_select(place, p.pixels) for place in range(ROW_FORM_BITS)]
            flips = decoder.flips.word_select(j, ROW_FORM_BITS)
            carries += agreement_carries(window, flips)
            parities.append(window[-1])
            parity_flips.append(flips[-1])

        m.submodules.adder = adder = PlaneAdder(p.pixels, _sum_shape(p))
        m.d.sync += [
            adder.plain_1.eq(Cat(carries)),
            adder.flipped_0.eq(Cat(parities)),
            adder.flips_0.eq(Cat(parity_flips)),
        ]
        m.submodules.lanes = lanes = LaneNumbers(p.pixels, unsigned(sum_bits(p)))
        m.d.comb += [plane.eq(total) for plane, total in zip(lanes.planes, adder.sums, strict=True)]
        m.d.comb += self.sums.eq(lanes.numbers)
        return m
