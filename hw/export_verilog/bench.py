"""A test bench that checks itself, with real images and what the integer model says of them."""

import numpy as np

from hw.engine_program import Program
from hw.export_verilog.wrapper import result_bits, result_word
from hw.index.stream import index_stream
from model import golden

__all__ = ["bench", "vectors"]

IMAGES, RESULTS, INDICES = "images.hex", "results.hex", "index_words.hex"


def vectors(program: Program, images: np.ndarray) -> dict[str, str]:
    """Files for the bench: a byte a line, a result a line, and the index port's words."""
    trace = golden.trace(program.network, images)
    results = [
        result_word(int(label), scores.tolist())
        for label, scores in zip(trace.classes, trace.scores, strict=True)
    ]
    files = {
        IMAGES: "".join(f"{byte:02x}\n" for byte in images.reshape(-1).tolist()),
        RESULTS: "".join(f"{word:x}\n" for word in results),
    }
    if program.index_port:
        files[INDICES] = "".join(f"{_number(row):x}\n" for row in index_stream(program))
    return files


def _number(row: np.ndarray) -> int:
    """A port word from its uint32 parts, lowest first."""
    return int.from_bytes(row.astype("<u4").tobytes(), "little")


def bench(program: Program, module: str, images: int) -> str:
    """The bench's Verilog: feeds images, pauses now and then, compares every result."""
    bits = result_bits(program.classes)
    total = images * program.image_bytes
    index_ports = index_parts = ""
    if program.index_port:
        words = len(index_stream(program))
        index_parts = _INDEX.format(bits=program.index_port.bits, words=words, file=INDICES)
        index_ports = _INDEX_PORTS
    return _BENCH.format(
        module=module,
        bits=bits,
        total=total,
        images=images,
        image_file=IMAGES,
        result_file=RESULTS,
        index_parts=index_parts,
        index_ports=index_ports,
    )


_INDEX = """
    // The index words of one image, over and over.
    reg [{bits} - 1:0] index_words [0:{words} - 1];
    integer index_sent = 0;
    wire index_ready;
    initial $readmemh("{file}", index_words);
    always @(posedge aclk)
        if (aresetn && index_ready) index_sent <= index_sent == {words} - 1 ? 0 : index_sent + 1;
"""

_INDEX_PORTS = """,
        .s_axis_index_tdata(index_words[index_sent]),
        .s_axis_index_tvalid(1'b1),
        .s_axis_index_tready(index_ready)"""

_BENCH = """// Checks {module} against the integer model: prints PASS or FAIL, and what differed.
// Run in the folder that holds the .hex files.
`timescale 1ns / 1ps

module {module}_tb;
    reg aclk = 0;
    reg aresetn = 0;
    reg [7:0] image_bytes [0:{total} - 1];
    reg [{bits} - 1:0] expected [0:{images} - 1];
    integer sent = 0, taken = 0, wrong = 0, cycles = 0;
    // A pause in the stream of pixels, and one in that of results, every few cycles.
    wire offer = sent < {total} && cycles % 37 != 0;
    wire accept = cycles % 11 != 0;
    wire ready, valid;
    wire [{bits} - 1:0] result;

    initial begin
        $readmemh("{image_file}", image_bytes);
        $readmemh("{result_file}", expected);
    end
    always #5 aclk = !aclk;
    initial begin
        #100 aresetn = 1;
    end
{index_parts}
    {module} dut (
        .aclk(aclk),
        .aresetn(aresetn),
        .s_axis_tdata(image_bytes[sent < {total} ? sent : 0]),
        .s_axis_tvalid(offer && aresetn),
        .s_axis_tready(ready),
        .m_axis_tdata(result),
        .m_axis_tvalid(valid),
        .m_axis_tready(accept && aresetn){index_ports}
    );

    always @(posedge aclk) if (aresetn) begin
        cycles <= cycles + 1;
        if (offer && ready) sent <= sent + 1;
        if (accept && valid) begin
            if (result !== expected[taken]) begin
                wrong = wrong + 1;
                $display("image %0d: class %0d, expected %0d", taken, result[15:0],
                         expected[taken][15:0]);
            end
            taken <= taken + 1;
            if (taken == {images} - 1) begin
                if (wrong == 0) $display("PASS: {images} images, %0d cycles", cycles);
                else $display("FAIL: %0d of {images} images differ", wrong);
                $finish;
            end
        end
        if (cycles == 100000000) begin
            $display("FAIL: no result after %0d cycles, %0d bytes taken", cycles, sent);
            $finish;
        end
    end
endmodule
"""
