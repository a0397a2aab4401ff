"""The middle: index words in sequence, codebook and array, to sums; and the thresholds beside them.

::

    index memory ---> array -------------------> sums
    codebooks ------>   |
    threshold memory -------------> thresholds

The thresholds of an output channel leave one cycle before its sums.
"""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.array import make_array
from hw.array.interface import array_members
from hw.descriptor import descriptor_layout
from hw.engine_program import Program, threshold_bits
from hw.issuer import tag_layout
from hw.loading.port import ports
from hw.loading.slots import slots_of
from hw.params import KERNEL_BITS
from hw.pipeline import delay
from hw.rom import rom

__all__ = ["SumSide"]

MEMORIES = ("indices", "threshold_words", "codebooks")


class SumSide(wiring.Component):
    """See the module.

    Members
    -------
    start, descriptor : In, of the layer; its codebook is loaded from the start strobe on.
    tag, index_address : In, from the issuer: stage 0. With an index port, ``index_word`` in place
        of the address: In, a cycle later than the tag.
    load : In, windows for the array.
    thresholds : Out, the word of `hw.compiler`, one stage before ``sum_stage``.
    sums : Out, [P] numbers, at ``sum_stage``.
    contents : only where the network can be loaded, a port of each memory, see `hw.loading.port`.
    """

    def __init__(self, program: Program):
        self.program = program
        parameters = program.parameters
        layout = descriptor_layout(program)
        members = array_members(parameters)
        index = {"index_address": In(range(max(program.sizes.index_words, 2)))}
        if program.index_port:
            index = {"index_word": In(parameters.index_bits)}
        super().__init__(
            {
                "start": In(1),
                "descriptor": In(layout),
                "tag": In(tag_layout(layout)),
                **index,
                "load": members["load"],
                "sums": members["sums"],
                "thresholds": Out(threshold_bits(program.sizes.sum_bits)),
                **ports(slots_of(program), *MEMORIES),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        program, timing, d = self.program, self.program.timing, self.descriptor
        parameters, images = program.parameters, program.images
        m.submodules.array = array = make_array(parameters)
        if program.index_port and parameters.array == "direct":
            self._load_masked(m, array.load)
        else:
            connect(m, flipped(self.load), array.load)
        tag_at_array = delay(m, self.tag, 1, "tag_index")
        if program.index_port:
            indices = self.index_word
        else:
            width = parameters.index_bits
            indices = self._rom(m, "indices", width, images.indices, self.index_address)
        short_group = tag_at_array.short if program.planes > 1 else tag_at_array.last_group
        m.d.comb += [
            array.index.eq(indices),
            array.swap.eq(tag_at_array.swap),
            array.null.eq(Mux(short_group, d.null_lanes, 0)),
        ]
        if parameters.has_codebook:
            self._load_codebook(m, array)

        # Their memory takes a cycle, and what block RAM gives is registered: it is slow.
        tag = delay(m, self.tag, timing.sum_stage - 3, "tag_thresholds")
        thresholds = self._rom(
            m,
            "threshold_words",
            len(self.thresholds),
            images.thresholds,
            d.threshold_base + tag.channel,
        )
        m.d.comb += self.sums.eq(array.sums)
        m.d.sync += self.thresholds.eq(thresholds)
        return m

    def _rom(self, m: Module, name: str, width: int, words: tuple[int, ...], address) -> Value:
        load = getattr(self.contents, name) if self.program.loadable else None
        return rom(m, name, width, words, address, load)

    def _load_masked(self, m: Module, load) -> None:
        """Windows of null channels as zeros, which for the direct array is the same.

        It clears their flip-flops by a reset otherwise. One that may rest has its enable before
        that reset, which flip-flops do not have: a LUT for each of P * C * 9 instead of P * 9.
        """
        m.d.comb += [
            load.valid.eq(self.load.valid),
            load.channel.eq(self.load.channel),
            load.windows.eq(Mux(self.load.null, 0, self.load.windows)),
            load.null.eq(0),
        ]

    def _load_codebook(self, m: Module, array) -> None:
        """Copies the layer's codewords into the array, one a cycle, from the start strobe on."""
        parameters, images = self.program.parameters, self.program.images
        entry = Signal(range(parameters.entries + 1), init=parameters.entries)
        reading = Signal()
        address = Signal(range(max(len(images.codebooks), 2)))
        codeword = self._rom(m, "codebooks", KERNEL_BITS, images.codebooks, address)
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
