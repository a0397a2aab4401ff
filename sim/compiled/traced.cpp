// The simulator with waveforms: the same harness, and Verilator's writer of VCD files.

#define WAVES
#include <cerrno>
#include <memory>
#include <unistd.h>

#include "verilated_vcd_c.cpp"
#include "harness.cpp"
