"""The direct array: every lane and channel recomputes its XNOR-popcount with each index."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from hw.array.codebook import IndexDecoder
from hw.array.compress import Plane, add_planes, stages
from hw.array.interface import array_members, sum_bits
from hw.array.planes import lane_numbers, tap_planes
from hw.params import KERNEL_BITS, ArrayParameters

__all__ = ["DirectArray"]


class DirectArray(wiring.Component):
    """P x C units that compute the number of taps at which a window agrees with a kernel.

    cycle   | t    | t + 1 = s | s + 1   | ... | s + latency
    load    | last |           |         |     |
    swap    |      | 1         |         |     |
    index   |      | word      |         |     |
    kernels |      |           | decoded |     |
    sums    |      |           |         |     | of this word

    The last channel is loaded in cycle t, ``swap`` comes in cycle t + ``prepare_latency`` or
    later, and from the cycle of ``swap`` on the next windows may be loaded. Codewords serve
    indices from the cycle after their write on.

    A lane's sum is the sum over the channels of p, the agreements of window and kernel; null
    channels (null when loaded and null in every index word) add nothing.

    Parameters
    ----------
    parameters : ArrayParameters, array "direct".
    """

    prepare_latency = 1
    kernel_latency = IndexDecoder.latency

    def __init__(self, parameters: ArrayParameters):
        if parameters.array != "direct":
            raise ValueError(f"parameters are those of a {parameters.array} array, not direct")
        self.parameters = parameters
        super().__init__(array_members(parameters))

    @property
    def latency(self) -> int:
        """Cycles from an index word to its sums."""
        p = self.parameters
        columns = [[2] * (KERNEL_BITS * p.channels)]
        return self.kernel_latency + stages(columns, sum_bits(p))

    def elaborate(self, platform):
        m = Module()
        p = self.parameters
        m.submodules.decoder = decoder = IndexDecoder(p)
        m.d.comb += [
            decoder.index.eq(self.index),
            decoder.null.eq(self.null),
            self.kernels.eq(decoder.kernels),
        ]
        if p.has_codebook:
            m.d.comb += [
                decoder.enable.eq(self.codebook_write.enable),
                decoder.write_address.eq(self.codebook_write.address),
                decoder.write_data.eq(self.codebook_write.data),
            ]

        # A window of zeros agrees nowhere with a kernel of ones: that is a null channel.
        window = Signal(KERNEL_BITS * p.pixels)
        m.d.comb += window.eq(Mux(self.load.null, 0, Cat(tap_planes(self.load.windows))))
        fronts = []
        for j in range(p.channels):
            back = Signal.like(window, name=f"back{j}")
            front = Signal.like(window, name=f"front{j}")
            with m.If(self.load.valid & (self.load.channel == j)):
                m.d.sync += back.eq(window)
            with m.If(self.swap):
                m.d.sync += front.eq(back)
            fronts.append(front)

        disagree = Signal.like(decoder.kernels)
        m.d.comb += disagree.eq(~decoder.kernels)
        planes = [
            Plane(front.word_select(tap, p.pixels), disagree[KERNEL_BITS * j + tap])
            for j, front in enumerate(fronts)
            for tap in range(KERNEL_BITS)
        ]
        sums = add_planes(m, [planes], sum_bits(p))
        m.d.comb += self.sums.as_value().eq(lane_numbers(sums))
        return m
