"""The codebook: a small memory of kernels, and the decoder of a group's indices."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.array.rows import ROW_FORM_BITS, flips_form
from hw.params import KERNEL_BITS, ArrayParameters

__all__ = ["CodebookMemory", "IndexDecoder"]


class CodebookMemory(wiring.Component):
    """One copy of the codebook with a combinational read port, made for LUTRAM.

    ``data`` is the kernel at ``address`` in the same cycle. A word written in cycle w is read
    from cycle w + 1 on.

    Parameters
    ----------
    entries : kernels held, a power of two.
    width : bits of a kernel, in whatever form.
    """

    def __init__(self, entries: int, width: int = KERNEL_BITS):
        self.entries, self.width = entries, width
        super().__init__(
            {
                "enable": In(1),
                "write_address": In(range(entries)),
                "write_data": In(width),
                "address": In(range(entries)),
                "data": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.entries, init=[])
        write = memory.write_port()
        read = memory.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.address),
            self.data.eq(read.data),
        ]
        return m


class IndexDecoder(wiring.Component):
    """Decodes an index word of C indices into what C kernels flip, one copy of the codebook each.

    cycle      | s      | s + 1
    index,null | word   |
    flips      |        | decoded

    A channel's flips are the row form (see `hw.array.rows`) of its kernel's complement, in which
    the copies hold the codebook already. A word written through ``codebook_write`` in cycle w
    serves indices from cycle w + 1 on. An antipodal codebook is held by its first half; a set top
    index bit complements the kernel. Null channels flip nothing.
    """

    latency = 1

    def __init__(self, parameters: ArrayParameters):
        self.parameters = parameters
        channels = parameters.channels
        members = {
            "index": In(channels * parameters.tau),
            "null": In(channels),
            "flips": Out(channels * ROW_FORM_BITS),
        }
        if parameters.has_codebook:
            members |= {
                "enable": In(1),
                "write_address": In(range(parameters.entries)),
                "write_data": In(KERNEL_BITS),
            }
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        p = self.parameters
        if p.has_codebook:
            written = Signal(ROW_FORM_BITS)
            m.d.comb += written.eq(flips_form(self.write_data))
        forms = []
        for j in range(p.channels):
            index = self.index.word_select(j, p.tau)
            if p.has_codebook:
                m.submodules[f"copy{j}"] = copy = CodebookMemory(p.entries, ROW_FORM_BITS)
                m.d.comb += [
                    copy.enable.eq(self.enable),
                    copy.write_address.eq(self.write_address),
                    copy.write_data.eq(written),
                    copy.address.eq(index),
                ]
                form = copy.data
            else:
                form = flips_form(index)
            if p.antipodal:
                form = Mux(index[-1], ~form, form)
            forms.append(Mux(self.null[j], 0, form))
        m.d.sync += self.flips.eq(Cat(forms))
        return m
