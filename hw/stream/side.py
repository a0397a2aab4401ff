"""The streams of a network, between accumulator and pool.

::

    starts' lowest bit -.
    accumulated sum ----+-> stream unit -> [pool] -> stream word (+ its place) --> stream memory
    channel's numbers ------->  ^             '----> planes of the stream               |
                                '---- residual -----------------------------------------'

The array's sums are half of the convolution (`hw.starts`); the lowest bit comes back here, from
the lane's place in the map, where a layer with a stream has an odd number of input channels.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.accumulator import Accumulator
from hw.descriptor import descriptor_layout
from hw.engine_program import Program
from hw.issuer import tag_layout
from hw.loading.port import ports
from hw.loading.slots import slots_of
from hw.pipeline import delay
from hw.rom import rom
from hw.starts import Starts
from hw.stream.memory import StreamMemory
from hw.stream.pool import StreamPool
from hw.stream.unit import StreamUnit

__all__ = ["StreamSide"]


class StreamSide(wiring.Component):
    """See the module; only for programs with a stream.

    Members
    -------
    start, descriptor : In, of the layer.
    tag : In, that of the accumulator; sums : In, [P] signed, the accumulator's, 2 cycles later.
    planes : Out, [most_planes] words of P bits, ``latency`` cycles after the sums.
    half : In, that of the running image, and input_valid, input_word, input_address, input_half :
        In, a word of the stem's stream, see `hw.inputs.stem`; only where a layer adds it.
    valid, values, channel, tile : Out, a word of a layer's stream, [P] signed, one cycle before
        its planes: an output channel's of a tile, as `hw.maps.layout` counts them.
    contents : only where the network can be loaded, see `hw.loading.port`.
    """

    def __init__(self, program: Program):
        self.program = program
        sum_bits = program.sizes.sum_bits
        self._unit = unit = StreamUnit(
            program.stream_shape, pixels=program.parameters.pixels, sum_bits=sum_bits
        )
        layout = descriptor_layout(program)
        tag = tag_layout(layout)
        members = unit.signature.members
        most_tiles = max(plan.out_tiles for plan in program.wired)
        super().__init__(
            {
                "start": In(1),
                "descriptor": In(layout),
                "tag": In(tag),
                "sums": members["sums"],
                "planes": members["planes"],
                "valid": Out(1),
                "values": members["values"],
                "channel": Out(tag["channel"].shape),
                "tile": Out(range(most_tiles + 1)),
                **self._input_members(),
                **ports(slots_of(program), "stream_words"),
            }
        )

    def _input_members(self) -> dict:
        """Where the stem's stream comes in, if a layer adds it."""
        program = self.program
        if not program.keeps_input:
            return {}
        bits = program.network.stem.stream.bits
        return {
            "half": In(1),
            "input_valid": In(1),
            "input_word": In(bits * program.parameters.pixels),
            "input_address": In(range(max(program.input_stream_words, 2))),
            "input_half": In(1),
        }

    @property
    def latency(self) -> int:
        return self._unit.latency

    def elaborate(self, platform) -> Module:
        m = Module()
        program, d, shape = self.program, self.descriptor, self.program.stream_shape
        m.submodules.unit = unit = self._unit
        pixels = program.parameters.pixels

        tag = delay(m, self.tag, Accumulator.latency - 1, "tag_numbers")
        address = d.stream + tag.channel
        load = self.contents.stream_words if program.loadable else None
        word = rom(m, "stream_words", shape.word.size, program.images.streams, address, load)
        low = self._low_bits(m)
        for lane in range(pixels):
            exact = Cat(low[lane], self.sums[lane])[: len(self.sums[lane])]
            m.d.comb += unit.sums[lane].eq(exact.as_signed())
        m.d.comb += [
            unit.numbers.eq(word),
            unit.shift.eq(d.shift),
            unit.width.eq(d.width),
            unit.cut.eq(d.cut),
            self.planes.eq(unit.planes),
        ]
        tag = delay(m, tag, 1, "tag_unit")
        # A residual must be there in the unit's third cycle.
        ahead = 2 - StreamMemory.latency
        reading = delay(m, tag.valid & tag.last_group, ahead, "reading")
        row_end = delay(m, tag.last_channel & tag.row_end, ahead, "row_end")
        skip = d.skip if "skip" in d.shape().members else Const(0, 0)
        if program.keeps_input:
            inputs = self._inputs(m, reading, Mux(row_end, skip, 0))
            with m.If(d.adds_input):
                m.d.comb += unit.residual.eq(inputs)
        if program.sizes.stream_words:
            m.submodules.memory = memory = StreamMemory(
                len(unit.values.as_value()), program.sizes.stream_words, (1 << len(skip)) - 1
            )
            with m.If(d.adds):
                m.d.comb += unit.residual.eq(memory.data)
            m.d.comb += [
                memory.start.eq(self.start),
                memory.read_base.eq(d.residual),
                memory.write_base.eq(d.kept),
                memory.read.eq(reading),
                memory.row_end.eq(row_end),
                memory.skip.eq(skip),
                memory.write.eq(self.valid & d.keeps),
                memory.word.eq(self.values),
            ]
        tag = delay(m, tag, unit.value_latency, "tag_values")
        values = unit.values
        if shape.pools:
            values = self._pooled(m, tag)
            m.d.comb += unit.pooled.eq(values)
            tag = delay(m, tag, shape.pool_latency, "tag_pooled")
        m.d.comb += [
            self.values.eq(values),
            self.valid.eq(tag.valid & tag.last_group & tag.emit & d.streams),
            self.channel.eq(tag.channel),
        ]
        with m.If(self.valid & tag.last_channel):
            m.d.sync += self.tile.eq(self.tile + 1)
        with m.If(self.start):
            m.d.sync += self.tile.eq(0)
        return m

    def _pooled(self, m: Module, tag) -> data.View:
        """The unit's values pooled, where the layer wants that; ``tag`` comes with them."""
        program, d, shape = self.program, self.descriptor, self.program.stream_shape
        plans = [plan for plan in program.wired if plan.pools_stream]
        m.submodules.pool = pool = StreamPool(
            shape.pools,
            tuple(geometry.outputs for geometry in program.geometries),
            {plan.geometry for plan in plans},
            bits=shape.value,
            pixels=program.parameters.pixels,
            slots=max(plan.slots for plan in plans),
            depth=program.stream_pool_words,
            channels=len(tag.channel),
            side_by_side=any(plan.pool_cut for plan in plans),
        )
        m.d.comb += [
            pool.values.eq(self._unit.values),
            pool.valid.eq(tag.valid & tag.last_group),
            *(
                getattr(pool, name).eq(getattr(tag, name))
                for name in ("channel", "slot", "fresh", "last_channel", "row_end")
            ),
            pool.pool.eq(d.pools_stream),
            pool.cut.eq(d.pool_cut),
            pool.largest.eq(d.largest),
            pool.geometry.eq(d.geometry),
        ]
        return pool.pooled

    def _inputs(self, m: Module, reading, skip: Value) -> Value:
        """The stem's stream of the running image, a word later than the strobe; values as wide as
        those of the unit. The halves lie one above the other. ``skip`` words are passed over."""
        words, pixels = self.program.input_stream_words, self.program.parameters.pixels
        memory = Memory(shape=len(self.input_word), depth=max(2 * words, 2), init=[])
        m.submodules.inputs = memory
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [
            write.en.eq(self.input_valid),
            write.data.eq(self.input_word),
            write.addr.eq(self.input_address + Mux(self.input_half, words, 0)),
        ]
        with m.If(reading):
            m.d.sync += read.addr.eq(read.addr + 1 + skip)
        with m.If(self.start):
            m.d.sync += read.addr.eq(Mux(self.half, words, 0))
        bits = self.program.network.stem.stream.bits
        values = Signal.like(self._unit.residual)
        for lane in range(pixels):
            m.d.comb += values[lane].eq(read.data.word_select(lane, bits).as_signed())
        return values

    def _low_bits(self, m: Module):
        """The lanes' lowest bits, with the accumulated sums."""
        program, d = self.program, self.descriptor
        if "odd" not in d.shape().members:
            return [0] * program.parameters.pixels
        m.submodules.odd = odd = Starts(
            tuple(geometry.outputs for geometry in program.geometries),
            program.last_rows,
            pixels=program.parameters.pixels,
            width=1,
        )
        tag = self.tag
        m.d.comb += [
            odd.word.eq(d.odd),
            odd.top.eq(tag.top),
            odd.bottom.eq(tag.bottom),
            odd.left.eq(tag.left),
            odd.right.eq(tag.right),
            odd.last_row.eq(d.last_row),
            odd.geometry.eq(d.geometry),
        ]
        return delay(m, odd.starts, Accumulator.latency - odd.latency, "low")
