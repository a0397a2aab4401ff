"""The way from sums to words: accumulate, compare, pool, flip, and say where each word belongs.

::

    sums, corrections -> accumulator -> threshold -> pool -> flip -> word
                             ^              ^          ^              |
                        tag, delayed stage by stage ---'       write-back: bank, address, tile
"""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.accumulator import Accumulator
from hw.banks import BANKS
from hw.descriptor import descriptor_layout
from hw.issuer import tag_layout
from hw.pipeline import delay
from hw.pool import Pool
from hw.program import Program
from hw.threshold import Threshold
from hw.writeback import WriteBack

__all__ = ["WordSide"]


class WordSide(wiring.Component):
    """See the module; latency 5 cycles.

    Parameters
    ----------
    program : the engine's.
    sums, corrections : shapes of the inputs of these names.

    Members
    -------
    start, descriptor : In, of the layer.
    tag : In, with the sums; thresholds : In, flip, odd bit, limit from the lowest bit up.
    valid, word, channel : Out, a complete output word and its channel.
    bank, address, tile : Out, where it goes in the activation memory and which tile it is;
        row_end : Out, it is the last tile of a cut row.
    """

    latency = Accumulator.latency + Threshold.latency + Pool.latency

    def __init__(self, program: Program, sums, corrections):
        self.program = program
        layout = descriptor_layout(program)
        tag = tag_layout(layout)
        most_tiles = max(plan.out_tiles for plan in program.plans)
        super().__init__(
            {
                "start": In(1),
                "descriptor": In(layout),
                "tag": In(tag),
                "sums": In(sums),
                "corrections": In(corrections),
                "thresholds": In(program.sizes.sum_bits + 2),
                "valid": Out(1),
                "word": Out(program.parameters.pixels),
                "channel": Out(tag["channel"].shape),
                "bank": Out(range(BANKS)),
                "address": Out(range(max(program.sizes.activation_words, 2))),
                "tile": Out(range(most_tiles + 1)),
                "row_end": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        program, d = self.program, self.descriptor
        pixels, sizes = program.parameters.pixels, program.sizes
        m.submodules.accumulator = accumulator = Accumulator(
            pixels,
            term_bits=len(self.sums[0]),
            correction_bits=len(self.corrections[0]),
            sum_bits=sizes.sum_bits,
            depth=sizes.partial_sums,
        )
        m.submodules.threshold = threshold = Threshold(pixels, sizes.sum_bits)
        m.submodules.pool = pool = Pool(
            tuple(geometry.outputs for geometry in program.geometries),
            {plan.geometry for plan in program.plans if plan.pool},
            pixels=pixels,
            slots=max(plan.slots for plan in program.plans),
            depth=sizes.pool_words,
        )
        out_columns = max(plan.out_columns for plan in program.plans)
        m.submodules.write_back = write_back = WriteBack(
            sizes.activation_words, len(self.channel), len(self.tile), out_columns
        )

        tag = self.tag
        m.d.comb += [
            accumulator.valid.eq(tag.valid),
            accumulator.channel.eq(tag.channel),
            accumulator.first.eq(tag.first_group),
            accumulator.last.eq(tag.last_group),
            accumulator.terms.eq(self.sums),
            accumulator.corrections.eq(self.corrections),
        ]
        thresholds = delay(m, self.thresholds, accumulator.latency, "limit")
        m.d.comb += [threshold.sums.eq(accumulator.sums), threshold.limit.eq(thresholds[2:])]
        tag = delay(m, tag, accumulator.latency + threshold.latency, "tag_bits")
        flip = delay(m, thresholds[0], threshold.latency + pool.latency, "flip")
        m.d.comb += [
            pool.bits.eq(threshold.bits),
            pool.valid.eq(tag.valid & tag.last_group),
            pool.channel.eq(tag.channel),
            pool.slot.eq(tag.slot),
            pool.fresh.eq(tag.fresh),
            pool.pool.eq(d.pool),
            pool.geometry.eq(d.geometry),
        ]
        tag = delay(m, tag, pool.latency, "tag_word")
        m.d.comb += [
            self.word.eq(pool.word ^ flip.replicate(pixels)),
            self.valid.eq(tag.valid & tag.last_group & tag.emit),
            self.channel.eq(tag.channel),
            write_back.start.eq(self.start),
            write_back.base.eq(d.out_base),
            write_back.last_column.eq(d.last_out_column),
            write_back.valid.eq(self.valid),
            write_back.channel.eq(tag.channel),
            write_back.last_channel.eq(tag.last_channel),
            self.bank.eq(write_back.bank),
            self.address.eq(write_back.address),
            self.tile.eq(write_back.tile),
            self.row_end.eq(write_back.row_end),
        ]
        return m
