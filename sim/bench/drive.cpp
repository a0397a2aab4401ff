// The least that drives an engine: streams images in, takes results, looks at nothing else.
//
// One source for both translators of the same circuit, so that they are measured alike:
// -DCXXRTL for Yosys' write_cxxrtl (top.cc), otherwise Verilator (Vtop.h).
// Arguments: file of images, number of results to wait for, where Verilator's circuit reads the
// contents of its memories (CXXRTL's holds them). Prints cycles and seconds.

#ifdef CXXRTL
#include "top.cc"
struct Top {
    explicit Top(const char*) {}
    cxxrtl_design::p_top top;
    void edge(bool clk) {
        top.p_clk.set<bool>(clk);
        top.step();
    }
    void drive(bool valid, unsigned byte) {
        top.p_i__valid.set<bool>(valid);
        top.p_i__payload.set<uint8_t>(byte);
        top.p_o__ready.set<bool>(true);
    }
    bool taken() { return top.p_i__ready.get<bool>(); }
    bool result() { return top.p_o__valid.get<bool>(); }
};
#else
#include "Vtop.h"
#include "verilated.h"
struct Top {
    explicit Top(const char* contents) { context.commandArgs(1, &contents); }
    VerilatedContext context;
    Vtop top{&context};
    void edge(bool clk) {
        top.clk = clk;
        top.eval();
    }
    void drive(bool valid, unsigned byte) {
        top.i_valid = valid;
        top.i_payload = byte;
        top.o_ready = 1;
    }
    bool taken() { return top.i_ready; }
    bool result() { return top.o_valid; }
};
#endif

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

int main(int, char** arguments) {
    std::ifstream file(arguments[1], std::ios::binary);
    const std::vector<unsigned char> bytes{std::istreambuf_iterator<char>(file), {}};
    const uint64_t wanted = std::strtoull(arguments[2], nullptr, 10);
    Top top{arguments[3]};
    uint64_t cycles = 0, results = 0;
    std::size_t fed = 0;
    const auto start = std::chrono::steady_clock::now();
    for (; results < wanted; ++cycles) {
        const bool valid = fed < bytes.size();
        top.drive(valid, valid ? bytes[fed] : 0);
        top.edge(false);
        results += top.result();
        fed += valid && top.taken();
        top.edge(true);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%llu %.6f\n", static_cast<unsigned long long>(cycles), seconds.count());
}
