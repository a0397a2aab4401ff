"""What a person looks at in the engine's waveforms: groups of signals along the data's way."""

from typing import NamedTuple

__all__ = ["FLOW", "LANES", "Group", "Row"]

# Of a signal with one element a lane, this many are shown.
LANES = 4


class Row(NamedTuple):
    """A signal: its name within the group's component, or with a path from there, as text; its
    format in GTKWave's words; what to call it, where its name says too little."""

    name: str
    format: str = "bin"
    title: str = ""


class Group(NamedTuple):
    """Signals shown together; ``component`` is their path below the engine, dots between."""

    title: str
    component: str
    rows: tuple[Row, ...]
    closed: bool = False


def _rows(format: str, *names: str) -> tuple[Row, ...]:
    return tuple(Row(*name.split("=")[:1], format, *name.split("=")[1:]) for name in names)


FLOW = (
    Group(
        "",
        "",
        (
            Row("clk"),
            Row("sequencer.layer", "ascii"),
            Row("sequencer.phase", "ascii"),
            Row("sequencer.start", "bin", "layer starts"),
            Row("sequencer.finish", "bin", "image finished"),
        ),
    ),
    Group(
        "Input stream",
        "",
        (*_rows("bin", "i__valid=valid", "i__ready=ready"), Row("i__payload", "dec", "byte")),
    ),
    Group(
        "Encoder, input memory",
        "window_side.encoder",
        (
            *_rows("bin", "full=halves full", "release=halves released"),
            *_rows("dec", "colour", "tile", "level"),
            *_rows("bin", "write_valid", "write_half"),
            *_rows("dec", "write_bank", "write_address", "write_channel"),
            Row("write_data", "hex"),
        ),
        closed=True,
    ),
    Group(
        "Loader, line buffer",
        "window_side",
        (
            Row("first_layer", "bin", "reads input memory"),
            Row("loader.read", "bin", "read"),
            *_rows("dec", "loader.tile=tile", "loader.group=group", "loader.channel=channel"),
            *_rows("dec", "loader.lane=channel of group"),
            Row("loader.null", "bin", "no such channel"),
            *_rows("dec", "loader.phase=bank of the tile", "loader.address=address"),
            *_rows("hex", "line_buffer.words=words", "line_buffer.windows=windows"),
        ),
    ),
    Group(
        "Array: windows, response tables",
        "sum_side.array",
        (
            *_rows("bin", "load__valid", "load__null"),
            Row("load__channel", "dec"),
            *_rows("bin", "fill0.start=fill 0 start", "fill0.write=fill 0 write"),
            *_rows("dec", "fill0.write_channel=fill 0 channel", "fill0.entry=fill 0 entry"),
            Row("fill0.halves", "hex", "fill 0 responses"),
            *_rows("bin", "swap", "bank=front tables"),
            *_rows("hex", "table0.read__data=table 0 read", "front0=windows 0"),
        ),
        closed=True,
    ),
    Group(
        "Index stream",
        "",
        (
            *_rows("bin", "issuer.warming=warming", "issuer.running=running"),
            *_rows("dec", "issuer.tile=tile", "issuer.group=group", "issuer.channel=channel"),
            *_rows("bin", "issuer.tag.valid=valid", "issuer.tag.swap=swap"),
            *_rows("bin", "issuer.tag.first_group=first group", "issuer.tag.last_group=last group"),
            Row("issuer.index_address", "dec", "address"),
            *_rows("hex", "sum_side.indices.read__data=index word"),
        ),
    ),
    Group(
        "Sums",
        "sum_side",
        (Row("sums", "dec"), Row("thresholds", "hex")),
    ),
    Group(
        "Accumulator",
        "word_side.accumulator",
        (
            *_rows("bin", "valid", "first=first group", "last=last group"),
            Row("channel", "dec"),
            *_rows("signed", "starts=start", "sums=sum"),
            Row("bits", "hex"),
        ),
    ),
    Group(
        "Pooling",
        "word_side.pool",
        (
            *_rows("bin", "valid", "pool", "fresh"),
            *_rows("dec", "channel", "slot"),
            *_rows("hex", "bits", "placed", "word"),
        ),
    ),
    Group(
        "Write-back",
        "word_side",
        (
            Row("valid"),
            *_rows("dec", "tile", "channel", "bank", "address"),
            Row("word", "hex"),
        ),
    ),
    Group(
        "Head",
        "head",
        (
            *_rows("bin", "clear", "valid"),
            *_rows("dec", "channel", "count"),
            *_rows("bin", "adding"),
            *_rows("signed", "sum0=sum 0", "sum1=sum 1", "sum2=sum 2"),
            *_rows("bin", "finish", "busy", "ready"),
            Row("number", "dec", "class"),
            *_rows("signed", "score", "best"),
            Row("label", "dec"),
        ),
    ),
    Group(
        "Output stream",
        "",
        (
            *_rows("bin", "o__valid=valid", "o__ready=ready"),
            Row("o__payload.label", "dec", "class"),
            Row("o__payload.scores", "signed", "score"),
        ),
    ),
    Group("Descriptor of the layer", "sequencer", (Row("descriptor", "dec"),), closed=True),
)
