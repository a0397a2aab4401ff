"""The codebook: a small memory of kernels, and the decoder of a group's indices."""

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.params import KERNEL_BITS, ArrayParameters

__all__ = ["CodebookMemory", "IndexDecoder"]

ALL_ONES = (1 << KERNEL_BITS) - 1


class CodebookMemory(wiring.Component):
    """One copy of the codebook with a combinational read port, made for LUTRAM.

    ``data`` is the kernel at ``address`` in the same cycle. A word written in cycle w is read
    from cycle w + 1 on.

    Parameters
    ----------
    entries : kernels held, a power of two.
    parity : whether the parity is kept; the port is 0 otherwise.
    """

    def __init__(self, entries: int):
        self.entries = entries
        super().__init__(
            {
                "enable": In(1),
                "write_address": In(range(entries)),
                "write_data": In(KERNEL_BITS),
                "address": In(range(entries)),
                "data": Out(KERNEL_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=KERNEL_BITS, depth=self.entries, init=[])
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
    """Decodes an index word of C indices into C kernels, one copy of the codebook a channel.

    cycle      | s      | s + 1
    index,null | word   |
    kernels    |        | decoded

    A word written through ``codebook_write`` in cycle w serves indices from cycle w + 1 on.
    An antipodal codebook is held by its first half; a set top index bit complements the kernel.
    Null channels decode to all ones.
    """

    latency = 1

    def __init__(self, parameters: ArrayParameters):
        self.parameters = parameters
        channels = parameters.channels
        members = {
            "index": In(channels * parameters.tau),
            "null": In(channels),
            "kernels": Out(channels * KERNEL_BITS),
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
        kernels = []
        for j in range(p.channels):
            index = self.index.word_select(j, p.tau)
            kernel = index
            if p.has_codebook:
                copy = CodebookMemory(p.entries)
                m.submodules[f"copy{j}"] = copy
                m.d.comb += [
                    copy.enable.eq(self.enable),
                    copy.write_address.eq(self.write_address),
                    copy.write_data.eq(self.write_data),
                    copy.address.eq(index),
                ]
                kernel = copy.data
            if p.antipodal:
                kernel = Mux(index[-1], ~kernel, kernel)
            kernels.append(Mux(self.null[j], ALL_ONES, kernel))
        m.d.sync += self.kernels.eq(Cat(kernels))
        return m
