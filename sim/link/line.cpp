// The host's end of a serial line, and a Verilated board (hw/top.py) at the other.
//
// Called through ctypes by sim/link/board.py. A symbol is ten bits of the line, first one lowest:
// start bit, data, stop bit; or any others, where the line is to be disturbed.

#include "Vtop.h"
#include "verilated.h"

#include <cstdint>
#include <deque>

namespace {
constexpr int SYMBOL_BITS = 10;
}

extern "C" {

struct Line {
    VerilatedContext context;
    // The option must be known before the circuit's initial blocks run.
    Line(const char* option, uint64_t cycles) : bit(cycles) { context.commandArgs(1, &option); }
    Vtop top{&context};
    const uint64_t bit;  // cycles
    uint64_t cycle = 0;
    std::deque<uint16_t> waiting;
    uint16_t sending = 0;
    uint64_t send_left = 0;  // cycles of the symbol that is being sent
    bool listening = false;  // behind a start bit
    uint64_t heard = 0;      // cycles since its edge
    uint8_t byte = 0;
};

// `option` is a plus argument: where the contents of memories are to be read.
Line* line_new(const char* option, uint64_t bit) {
    auto* line = new Line(option, bit);
    line->top.rst = 0;
    line->top.clk = 0;
    line->top.rx = 1;
    line->top.eval();
    return line;
}

void line_delete(Line* line) { delete line; }

uint64_t line_cycle(const Line* line) { return line->cycle; }

void line_send(Line* line, const uint16_t* symbols, uint64_t count) {
    line->waiting.insert(line->waiting.end(), symbols, symbols + count);
}

static void send(Line& line) {
    if (!line.send_left && !line.waiting.empty()) {
        line.sending = line.waiting.front();
        line.waiting.pop_front();
        line.send_left = SYMBOL_BITS * line.bit;
    }
    if (line.send_left) {
        const uint64_t place = SYMBOL_BITS - 1 - (line.send_left - 1) / line.bit;
        line.top.rx = line.sending >> place & 1;
        --line.send_left;
    } else {
        line.top.rx = 1;
    }
}

// Whether the cycle completed a byte, now in `line.byte`.
static bool receive(Line& line) {
    if (!line.listening) {
        line.listening = !line.top.tx;
        line.heard = 0;
        return false;
    }
    ++line.heard;
    const uint64_t place = line.heard / line.bit;
    if (line.heard % line.bit != line.bit / 2) return false;
    if (place >= 1 && place <= 8) line.byte = line.byte >> 1 | line.top.tx << 7;
    if (place < SYMBOL_BITS - 1) return false;
    line.listening = false;
    return line.top.tx;
}

// Runs for at most `limit` cycles, until a zero has come or `room` bytes; returns how many came.
uint64_t line_run(Line* line, uint64_t limit, uint8_t* bytes, uint64_t room) {
    uint64_t count = 0;
    for (uint64_t step = 0; step < limit && count < room; ++step) {
        send(*line);
        line->top.clk = 0;
        line->top.eval();
        const bool complete = receive(*line);
        line->top.clk = 1;
        line->top.eval();
        ++line->cycle;
        if (complete) {
            bytes[count++] = line->byte;
            if (line->byte == 0) break;
        }
    }
    return count;
}

}  // extern "C"
