"""The middle: index words in sequence, codebook, array and border correction, to exact sums.

::

    index memory ---> array ------------> sums ----------.
    codebooks ------>   |                                +-> same cycle, for the accumulator
                        '--> kernels --> border corr. ---'
    threshold memory -------> odd bit -------'  '-------> thresholds

What comes out belongs together: sums, corrections and thresholds of one output channel leave in
one cycle, ``timing.sum_stage`` cycles after its tag came in.
"""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.array import BorderCorrection, make_array
from hw.array.border import correction_bits
from hw.array.interface import array_members
from hw.descriptor import descriptor_layout
from hw.issuer import tag_layout
from hw.params import KERNEL_BITS
from hw.pipeline import delay
from hw.program import Program
from hw.rom import rom

__all__ = ["SumSide"]


class SumSide(wiring.Component):
    """See the module.

    Members
    -------
    start, descriptor : In, of the layer; its codebook is loaded from the start strobe on.
    tag, index_address : In, from the issuer: stage 0.
    load : In, windows for the array.
    sums, corrections : Out, [P] numbers; thresholds : Out, the word of `hw.compiler`; at
        ``sum_stage``.
    """

    def __init__(self, program: Program):
        self.program = program
        parameters = program.parameters
        layout = descriptor_layout(program)
        members = array_members(parameters)
        self._excess_bits = layout["corner_excess"].width
        correction = signed(correction_bits(parameters.channels, self._excess_bits))
        super().__init__(
            {
                "start": In(1),
                "descriptor": In(layout),
                "tag": In(tag_layout(layout)),
                "index_address": In(range(max(program.sizes.index_words, 2))),
                "load": members["load"],
                "sums": members["sums"],
                "corrections": Out(data.ArrayLayout(correction, parameters.pixels)),
                "thresholds": Out(program.sizes.sum_bits + 2),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        program, timing, d = self.program, self.program.timing, self.descriptor
        parameters, images = program.parameters, program.images
        m.submodules.array = array = make_array(parameters)
        connect(m, flipped(self.load), array.load)
        tag_at_array = delay(m, self.tag, 1, "tag_index")
        indices = rom(
            m, "indices", parameters.channels * parameters.tau, images.indices, self.index_address
        )
        m.d.comb += [
            array.index.eq(indices),
            array.swap.eq(tag_at_array.swap),
            array.null.eq(Mux(tag_at_array.last_group, d.null_lanes, 0)),
        ]
        if parameters.has_codebook:
            self._load_codebook(m, array)

        kernels_at = 1 + timing.array.kernel_latency
        tag = delay(m, tag_at_array, timing.array.kernel_latency - 1, "tag_thresholds")
        thresholds = rom(
            m,
            "threshold_words",
            len(self.thresholds),
            images.thresholds,
            d.threshold_base + tag.channel,
        )
        border = self._correct_border(m, array, delay(m, tag, 1, "tag_border"), thresholds)
        late = timing.sum_stage - kernels_at
        m.d.comb += [
            self.sums.eq(
                delay(m, array.sums, timing.sum_stage - 1 - timing.array.latency, "late_sums")
            ),
            self.corrections.eq(
                delay(m, border.correction, late - timing.border, "late_corrections")
            ),
            self.thresholds.eq(delay(m, thresholds, late, "late_thresholds")),
        ]
        return m

    def _correct_border(self, m: Module, array, tag, thresholds) -> BorderCorrection:
        """The border correction, fed with the kernels and the lanes' places in the map."""
        parameters, d = self.program.parameters, self.descriptor
        cut = self.program.columns > 1
        right = tag.right if cut else Const(1)
        m.submodules.border = border = BorderCorrection(
            parameters.pixels, parameters.channels, e_bits=self._excess_bits
        )
        m.d.comb += [
            border.kernels.eq(array.kernels),
            border.last.eq(tag.last_group),
            border.q.eq(thresholds[1]),
            border.row_first.eq(Mux(tag.top, d.first_rows, 0)),
            border.row_last.eq(Mux(tag.bottom & ~d.single_row, d.last_rows, 0)),
            border.col_first.eq(Mux(tag.left, d.first_columns, 0) if cut else d.first_columns),
            border.col_last.eq(Mux(d.single_column | ~right, 0, d.last_columns)),
            border.single_row.eq(d.single_row),
            border.single_column.eq(d.single_column),
            border.e_row.eq(d.row_excess),
            border.e_col.eq(d.column_excess),
            border.e_corner.eq(d.corner_excess),
        ]
        return border

    def _load_codebook(self, m: Module, array) -> None:
        """Copies the layer's codewords into the array, one a cycle, from the start strobe on."""
        parameters, images = self.program.parameters, self.program.images
        entry = Signal(range(parameters.entries + 1), init=parameters.entries)
        reading = Signal()
        address = Signal(range(max(len(images.codebooks), 2)))
        codeword = rom(m, "codebooks", KERNEL_BITS, images.codebooks, address)
        m.d.comb += reading.eq(entry != parameters.entries)
        with m.If(reading):
            m.d.sync += [entry.eq(entry + 1), address.eq(address + 1)]
        with m.If(self.start):
            m.d.sync += [entry.eq(0), address.eq(self.descriptor.codebook_base)]
        m.d.comb += [
            array.codebook_write.enable.eq(delay(m, reading, 1, "codebook_enable")),
            array.codebook_write.address.eq(delay(m, entry, 1, "codebook_entry")),
            array.codebook_write.data.eq(codeword),
        ]
