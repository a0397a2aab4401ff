"""The input of a network whose stem the host computes: values of the stem's stream, one by one.

Values of 16 bits come channel by channel, row by row. One comparison with the channel's threshold
makes the bits of each, whose planes go to the input memory (`hw.inputs.planes`). If a layer adds
the stem's stream, the values are gathered, too, into a word of all lanes, which is written together
with the first plane's word::

    cycle        0 .. n-1      n               n + 1 ..
    i            n values      (waits)         (waits)
    write        -             first plane     other planes
    stream       -             word            -
"""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.inputs.planes import PlaneEncoder
from hw.rom import rom
from hw.stream.unit import hold
from model.network import VALUE_BITS, Stem

__all__ = ["StemInput", "level_layout", "level_words"]


def level_layout(stem: Stem) -> data.StructLayout:
    """A word of the memory of thresholds, one a channel; thresholds may be one past the stream."""
    return data.StructLayout({"threshold": signed(stem.stream.bits + 1), "flip": 1})


def level_words(stem: Stem) -> tuple[int, ...]:
    """The words, a channel each."""
    layout = level_layout(stem)
    pairs = zip(stem.thresholds.tolist(), stem.flips.tolist(), strict=True)
    return tuple(
        layout.const({"threshold": threshold, "flip": int(flip)}).as_bits()
        for threshold, flip in pairs
    )


class StemInput(wiring.Component):
    """See the module.

    Parameters
    ----------
    stem : the network's. words : of `level_words`.
    pixels, half_words : see `hw.inputs.planes.PlaneEncoder`.
    kept : a layer adds the stem's stream.

    Members
    -------
    i : stream of values. write_*, full, release : as those of `hw.inputs.planes.PlaneEncoder`.
    stream_valid, stream_word, stream_address : Out, a word of the stream, [P] values of the stem's
        bits, and its place ``tile * channels + channel`` in the half ``write_half``.
    """

    def __init__(
        self, stem: Stem, words: tuple[int, ...], *, pixels: int, half_words: int, kept: bool
    ):
        self.stem, self.words, self.kept = stem, words, kept
        channels, height, width = stem.out_shape
        self._encoder = encoder = PlaneEncoder(
            channels=channels,
            bits=stem.out_bits,
            height=height,
            width=width,
            pixels=pixels,
            half_words=half_words,
        )
        own = ("place", "channel", "channel_end", "word_first")
        members = {n: m for n, m in encoder.signature.members.items() if n not in own}
        super().__init__(
            members
            | {
                "i": In(stream.Signature(VALUE_BITS)),
                "stream_valid": Out(1),
                "stream_word": Out(stem.stream.bits * pixels),
                "stream_address": Out(range(max(encoder.tiles * channels, 2))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        stem, encoder = self.stem, self._encoder
        m.submodules.encoder = encoder
        for name in encoder.signature.members:
            if name != "i" and name in self.signature.members:
                one, other = getattr(self, name), getattr(encoder, name)
                inward = name in ("release", "write_ready")
                m.d.comb += other.eq(one) if inward else one.eq(other)

        # The next channel's threshold is there when its first value comes: in between, at least
        # one plane is written. The very first one takes a cycle.
        channel, begun = Signal(range(max(stem.c_out, 2))), Signal()
        with m.If(encoder.channel_end):
            m.d.sync += channel.eq(Mux(channel == stem.c_out - 1, 0, channel + 1))
        m.d.sync += begun.eq(1)
        layout = level_layout(stem)
        level = layout(rom(m, "stem_words", layout.size, self.words, channel))
        value = self.i.payload[: stem.stream.bits].as_signed()
        above = Signal(signed(stem.stream.bits + 2))
        m.d.comb += [
            above.eq(value - level.threshold),
            encoder.i.valid.eq(self.i.valid & begun),
            self.i.ready.eq(encoder.i.ready & begun),
            encoder.i.payload.eq(
                _level(above, stem.out_bits, stem.step) ^ level.flip.replicate(stem.out_bits)
            ),
        ]
        if self.kept:
            self._gather(m, value)
        return m

    def _gather(self, m: Module, value) -> None:
        """Puts each value into its lane, and says where a full word belongs."""
        encoder, width = self._encoder, self.stem.stream.bits
        accept = encoder.i.valid & encoder.i.ready
        base = Signal.like(self.stream_address)
        for lane in range(encoder.pixels):
            with m.If(accept & encoder.place[lane]):
                m.d.sync += self.stream_word.word_select(lane, width).eq(value)
        m.d.comb += [
            self.stream_valid.eq(encoder.word_first),
            self.stream_address.eq(base + encoder.channel),
        ]
        with m.If(encoder.word_first):
            last = encoder.write_tile == encoder.tiles - 1
            m.d.sync += base.eq(Mux(last, 0, base + self.stem.c_out))


def _level(above, planes: int, step: int):
    """The level of a value so far above the threshold, see `model.fixed_point.planes_of`."""
    if planes == 1:
        return ~above[-1]
    # As two's complement, a level less its half; the half turns the highest bit over.
    return hold(above >> step, planes).as_unsigned() ^ 1 << (planes - 1)
