"""The way from sums to words: accumulate, pool, flip, and say where each word belongs.

::

    thresholds -> starts -.
    sums -----------------+-> accumulator -> sign bits -> pool -> flip -> word
                                  ^                        ^              |
                             tag, delayed stage by stage --'       write-back: bank, address, tile

In a network with streams, `hw.stream.side` makes the bits of its layers, between accumulator and
pool; where a layer has several planes, the words go through `hw.stream.plane_queue`, behind the
flip.
"""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.accumulator import Accumulator
from hw.descriptor import descriptor_layout
from hw.engine_program import Program, threshold_bits
from hw.issuer import tag_layout
from hw.maps.banks import BANKS
from hw.pipeline import delay
from hw.pool import Pool
from hw.starts import Starts, doubling_bits
from hw.stream.plane_queue import PlaneQueue
from hw.stream.side import StreamSide
from hw.writeback import WriteBack

__all__ = ["WordSide"]

INPUTS = ("half", "input_valid", "input_word", "input_address", "input_half")


class WordSide(wiring.Component):
    """See the module; latency 4 cycles from the tag, and those of stream unit and plane queue.

    Parameters
    ----------
    program : the engine's.
    sums : shape of the input of this name.

    Members
    -------
    start, descriptor : In, of the layer.
    next_channel : In, output channel of the tag that comes one cycle later.
    tag, thresholds : In, the latter a word of `hw.compiler`; sums : In, theirs, a cycle later.
    valid, word, channel : Out, a complete output word and its channel; of several planes,
        ``plane * c_out + channel``.
    bank, address, tile : Out, where it goes in the activation memory and which tile it is;
        row_end : Out, it is the last tile of a cut row.
    half, input_* : In, only where a layer adds the stem's stream: those of `hw.stream.side`.
    stream : Out, only in a network with streams: a word of `hw.stream.side`, ``valid``, ``values``,
        ``channel`` and ``tile``; contents : its memory's port, where the network can be loaded.
    """

    def __init__(self, program: Program, sums):
        self.program = program
        layout = descriptor_layout(program)
        tag = tag_layout(layout)
        most_tiles = max(plan.out_tiles for plan in program.wired)
        most_words = max(plan.c_out * max(plan.out_bits, 1) for plan in program.wired)
        self._streams = StreamSide(program) if program.stream_shape else None
        stream, inputs = {}, {}
        if self._streams:
            members = self._streams.signature.members
            inputs = {name: members[name] for name in INPUTS if name in members}
            inputs |= {name: members[name] for name in ("contents",) if name in members}
            names = ("valid", "values", "channel", "tile")
            stream = {"stream": Out(wiring.Signature({name: members[name] for name in names}))}
        super().__init__(
            {
                "start": In(1),
                "descriptor": In(layout),
                "next_channel": In(tag["channel"].shape),
                "tag": In(tag),
                "sums": In(sums),
                "thresholds": In(threshold_bits(program.sizes.sum_bits)),
                "valid": Out(1),
                "word": Out(program.parameters.pixels),
                "channel": Out(range(max(most_words, 2))),
                "bank": Out(range(BANKS)),
                "address": Out(range(max(program.sizes.activation_words, 2))),
                "tile": Out(range(most_tiles + 1)),
                "row_end": Out(1),
                **stream,
                **inputs,
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        program, d = self.program, self.descriptor
        pixels, sizes = program.parameters.pixels, program.sizes
        m.submodules.accumulator = accumulator = Accumulator(
            pixels,
            term_bits=len(self.sums[0]),
            sum_bits=sizes.sum_bits,
            depth=sizes.partial_sums,
            planes=program.planes > 1,
        )
        m.submodules.starts = starts = Starts(
            tuple(geometry.outputs for geometry in program.geometries),
            program.last_rows,
            pixels=pixels,
            width=sizes.sum_bits,
        )
        pooled = [plan for plan in program.wired if plan.pool and not plan.pools_stream]
        m.submodules.pool = pool = Pool(
            tuple(geometry.outputs for geometry in program.geometries),
            {plan.geometry for plan in pooled},
            pixels=pixels,
            slots=max((plan.slots for plan in pooled), default=1),
            depth=sizes.pool_words,
            channels=len(self.channel),
            side_by_side=any(plan.pool_cut for plan in pooled),
        )
        out_columns = max(plan.out_columns for plan in program.wired)
        m.submodules.write_back = write_back = WriteBack(
            sizes.activation_words, len(self.channel), len(self.tile), out_columns
        )

        tag = self.tag
        starts_word = self.thresholds[1:]
        if program.planes > 1:
            m.submodules.doubling = doubling = Module()
            starts_word = doubling_bits(doubling, starts.word.shape()(starts_word), tag.plane)
            m.d.comb += accumulator.double.eq(tag.double)
        m.d.comb += [
            accumulator.next_channel.eq(self.next_channel),
            accumulator.valid.eq(tag.valid),
            accumulator.channel.eq(tag.channel),
            accumulator.first.eq(tag.first_group),
            accumulator.last.eq(tag.last_group),
            accumulator.terms.eq(self.sums),
            accumulator.starts.eq(starts.starts),
            starts.word.eq(starts_word),
            starts.top.eq(tag.top),
            starts.bottom.eq(tag.bottom),
            starts.left.eq(tag.left),
            starts.right.eq(tag.right),
            starts.last_row.eq(d.last_row),
            starts.geometry.eq(d.geometry),
        ]
        tag = delay(m, tag, accumulator.latency, "tag_bits")
        bits, tag, others = self._stream_bits(m, accumulator, tag)
        flip = delay(m, self.thresholds[0], program.timing.word_latency, "flip")
        m.d.comb += [
            pool.bits.eq(bits),
            pool.valid.eq(tag.valid & tag.last_group),
            pool.channel.eq(tag.channel),
            pool.slot.eq(tag.slot),
            pool.fresh.eq(tag.fresh),
            pool.last_channel.eq(tag.last_channel),
            pool.row_end.eq(tag.row_end),
            pool.pool.eq(d.pool),
            pool.cut.eq(d.pool_cut),
            pool.geometry.eq(d.geometry),
        ]
        tag = delay(m, tag, pool.latency, "tag_word")
        valid = tag.valid & tag.last_group & tag.emit
        if self._streams:
            valid &= d.puts_planes
        m.d.comb += [
            write_back.start.eq(self.start),
            write_back.base.eq(d.out_base),
            write_back.last_column.eq(d.last_out_column),
            write_back.valid.eq(self.valid),
            write_back.channel.eq(self.channel),
            self.bank.eq(write_back.bank),
            self.address.eq(write_back.address),
            self.tile.eq(write_back.tile),
            self.row_end.eq(write_back.row_end),
        ]
        if program.most_planes == 1:
            m.d.comb += [
                self.word.eq(pool.word ^ flip.replicate(pixels)),
                self.valid.eq(valid),
                self.channel.eq(tag.channel),
                write_back.last_channel.eq(tag.last_channel),
            ]
            return m

        m.submodules.queue = queue = PlaneQueue(
            pixels, program.most_planes, max(plan.c_out for plan in program.wired)
        )
        planes = (pool.word, *(delay(m, other, pool.latency, "planes") for other in others))
        m.d.comb += [
            queue.valid.eq(valid),
            queue.channel.eq(tag.channel),
            queue.last_plane.eq(d.last_out_plane),
            queue.last_channel.eq(d.last_channel),
            self.word.eq(queue.word),
            self.valid.eq(queue.out_valid),
            self.channel.eq(queue.place),
            write_back.last_channel.eq(queue.last),
            *(
                into.eq(plane ^ flip.replicate(pixels))
                for into, plane in zip(queue.words, planes, strict=True)
            ),
        ]
        return m

    def _stream_bits(self, m: Module, accumulator: Accumulator, tag):
        """Bits for the pool with their tag, and the words of the other planes beside them."""
        side, d = self._streams, self.descriptor
        if side is None:
            return accumulator.bits, tag, ()
        m.submodules.streams = side
        m.d.comb += [
            side.start.eq(self.start),
            side.descriptor.eq(d),
            side.tag.eq(self.tag),
            side.sums.eq(accumulator.sums),
            self.stream.valid.eq(side.valid),
            self.stream.values.eq(side.values),
            self.stream.channel.eq(side.channel),
            self.stream.tile.eq(side.tile),
        ]
        if "contents" in self.signature.members:
            connect(m, flipped(self.contents), side.contents)
        for name in INPUTS:
            if name in self.signature.members:
                m.d.comb += getattr(side, name).eq(getattr(self, name))
        bits, *others = side.planes
        if not all(plan.stream for plan in self.program.wired):
            bits = Mux(d.streams, bits, delay(m, accumulator.bits, side.latency, "plain_bits"))
        return bits, delay(m, tag, side.latency, "tag_streams"), others
