// Drives a Verilated engine from memory: feeds images, takes results, records what the probe shows.
//
// The same observations as sim/watcher.py and sim/cycles.py, at the speed of the model. Called
// through ctypes by sim/compiled/simulator.py, which owns all buffers.

#include "Vtop.h"
#include "verilated.h"

#include <cstdint>
#include <cstring>

namespace {

enum Status { RUNNING = 0, DONE = 1, HUNG = 2, BAD_WORD = 3, TWICE = 4, WITHDRAWN = 5, MISSING = 6 };
// Of the widest word: 1024 lanes of 16 bits.
constexpr int MOST_WORDS = 512;
enum Phase { IDLE = 0, FILL = 1, USEFUL = 2, STALL = 3, DRAIN = 4, PHASES = 8 };

// A port of up to 64 bits is an integer, a wider one an array of 32-bit words.
template <typename T> void copy_words(const T& port, uint32_t* to, int words) {
    uint64_t value = port;
    for (int word = 0; word < words; ++word) {
        to[word] = static_cast<uint32_t>(value >> (32 * word));
    }
}
template <std::size_t N> void copy_words(const VlWide<N>& port, uint32_t* to, int words) {
    for (int word = 0; word < words; ++word) to[word] = port[word];
}

template <typename T> void put_words(T& port, const uint32_t* from, int words) {
    port = static_cast<T>(words > 1 ? from[0] | uint64_t(from[1]) << 32 : from[0]);
}
template <std::size_t N> void put_words(VlWide<N>& port, const uint32_t* from, int words) {
    for (int word = 0; word < words; ++word) port[word] = from[word];
}

// xorshift64*: the same numbers as sim/stalls.py.
struct Random {
    uint64_t state;
    uint32_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return static_cast<uint32_t>((state * 0x2545F4914F6CDD1DULL) >> 32);
    }
};

}  // namespace

extern "C" {

// Shapes and buffers, filled in by Python; mirrored by a ctypes.Structure.
struct Job {
    // what to simulate
    const uint8_t* input;    // all images: pixels, or little-endian values of two bytes
    uint64_t input_count;
    uint64_t input_bytes;    // of a pixel or value
    uint64_t image_count;
    uint64_t patience;       // cycles without a sign of life that count as a hang
    uint32_t tensors;        // maps, as sim/maps.py numbers them
    uint32_t layers;         // convolutions and head
    uint32_t classes;
    const uint32_t* word_words;  // [tensors], 32-bit words of a word
    const uint32_t* tiles;     // [tensors]
    const uint32_t* channels;  // [tensors]
    const uint64_t* offsets;   // [tensors], of a tensor in an image's record, in 32-bit words
    uint64_t record_words;     // of an image
    // ring of `ring` images
    uint64_t ring;
    uint32_t* records;  // [ring][record_words]
    int64_t* scores;    // [ring][classes]
    uint32_t* labels;   // [ring]
    uint32_t* cycles;   // [ring][layers][PHASES]
    uint64_t* starts;   // [ring], cycle in which computing began
    uint64_t* results;  // [ring], cycle in which the result was taken
    // state
    uint64_t cycle;
    uint64_t fed;
    uint64_t taken;    // results
    uint64_t begun;    // images whose computing began
    uint64_t quiet;
    uint64_t* written;  // [tensors], words written so far over all images
    uint8_t* seen;      // [ring][record_words], the word that begins here was written
    uint16_t* timeline;      // [timeline_size], PHASES * layer + phase of the first cycles
    uint64_t timeline_size;
    // stalls: probability in 2^-32, longest pause
    uint32_t pause;
    uint32_t longest;
    uint64_t feed_state;
    uint64_t accept_state;
    uint32_t feed_wait;
    uint32_t accept_wait;
    uint32_t block;  // cycles that the output stays blocked after the first offer
    // where it went wrong
    uint32_t bad_tensor;
    uint32_t bad_tile;
    uint32_t bad_channel;
    uint32_t last_layer;
    uint32_t last_phase;
    // index port: words of one image, each of `index_words` 32-bit words; none without a port
    const uint32_t* index;
    uint64_t index_count;
    uint64_t index_fed;  // over all images
    uint64_t index_state;
    uint32_t index_words;
    uint32_t index_pause;  // probability in 2^-32
    uint32_t index_wait;
    uint32_t score_count;  // scores that come at a time
    uint32_t scored;       // that have come of the next result
    struct Look* look;  // null, but for the simulator with waveforms
};

#ifdef WAVES
#include "waves.h"
#endif

// Two of 32 bits for each class; the format has no more than 1,024.
constexpr int MOST_SCORE_WORDS = 2048;

struct Simulation {
    VerilatedContext context;
    // The option must be known before the circuit's initial blocks run.
    explicit Simulation(const char* option) { context.commandArgs(1, &option); }
    Vtop top{&context};
    uint32_t scores[MOST_SCORE_WORDS] = {};
    uint32_t held_label = 0;
    bool waiting = false;
#ifdef WAVES
    std::unique_ptr<Tracer> tracer;
#endif
};

// `option` is a plus argument: where the contents of memories are to be read.
Simulation* simulation_new(const char* option) {
    auto* simulation = new Simulation(option);
    Vtop& top = simulation->top;
#ifdef WAVES
    simulation->context.traceEverOn(true);
#endif
    top.rst = 0;
    top.clk = 0;
    top.i_valid = 0;
    top.o_ready = 0;
    top.index_valid = 0;
    top.eval();
    return simulation;
}

void simulation_delete(Simulation* simulation) { delete simulation; }

static int record_word(Job& job, uint32_t tensor, uint32_t tile, uint32_t channel,
                       const uint32_t* word) {
    job.bad_tensor = tensor;
    job.bad_tile = tile;
    job.bad_channel = channel;
    if (tensor >= job.tensors || tile >= job.tiles[tensor] || channel >= job.channels[tensor]) {
        return BAD_WORD;
    }
    const uint64_t size = uint64_t(job.tiles[tensor]) * job.channels[tensor];
    const uint64_t place = job.written[tensor] / size % job.ring;
    const uint32_t words = job.word_words[tensor];
    const uint64_t at =
        job.offsets[tensor] + (uint64_t(tile) * job.channels[tensor] + channel) * words;
    uint8_t& seen = job.seen[place * job.record_words + at];
    if (seen) return TWICE;
    seen = 1;
    std::memcpy(job.records + place * job.record_words + at, word, 4 * words);
#ifdef WAVES
    note_word(job.look, job.written[tensor] / size, tensor, tile, channel, job.cycle);
#endif
    ++job.written[tensor];
    return RUNNING;
}

static void count_phase(Job& job, uint32_t layer, uint32_t phase, bool head_busy) {
    if (phase != IDLE) {
        const bool restarts = layer == job.last_layer && job.last_phase == DRAIN && phase != DRAIN;
        if (layer < job.last_layer || restarts) {
            const uint64_t place = job.begun++ % job.ring;
            std::memset(job.cycles + place * job.layers * PHASES, 0, 4 * job.layers * PHASES);
            job.starts[place] = job.cycle;
        }
        const uint64_t place = (job.begun - 1) % job.ring;
        ++job.cycles[(place * job.layers + layer) * PHASES + phase];
        job.last_layer = layer;
        job.last_phase = phase;
    }
    if (head_busy) {
        const bool drained = job.last_layer == job.layers - 2 && job.last_phase == DRAIN;
        const uint64_t place = (job.begun - (drained ? 1 : 2)) % job.ring;
        ++job.cycles[(place * job.layers + job.layers - 1) * PHASES + DRAIN];
    }
}

// Cycles of the next pause, mostly 0; as in sim/stalls.py.
static uint32_t next_pause(Random& random, uint32_t pause, const Job& job) {
    if (!pause || random.next() >= pause) return 0;
    return 1 + random.next() % job.longest;
}

// Runs until `until` results are out, or for `limit` cycles, or until something is wrong.
int simulation_run(Simulation* simulation, Job* job_pointer, uint64_t until, uint64_t limit) {
    Vtop& top = simulation->top;
    Job& job = *job_pointer;
    Random feed{job.feed_state}, accept{job.accept_state}, index{job.index_state};
    const uint64_t index_total = job.index_count * job.image_count;
    uint32_t word[MOST_WORDS];
    int status = RUNNING;
    for (uint64_t step = 0; step < limit && status == RUNNING; ++step) {
        top.i_valid = job.fed < job.input_count && !job.feed_wait;
        uint32_t number = 0;
        if (top.i_valid) std::memcpy(&number, job.input + job.fed * job.input_bytes, job.input_bytes);
        top.i_payload = number;
        top.o_ready = !job.accept_wait && !job.block;
        top.index_valid = job.index_fed < index_total && !job.index_wait;
        if (top.index_valid) {
            const uint64_t place = job.index_fed % job.index_count * job.index_words;
            put_words(top.index_payload, job.index + place, job.index_words);
        }
        if (job.index_wait) --job.index_wait;
        if (job.feed_wait) --job.feed_wait;
        if (job.accept_wait) --job.accept_wait;
#ifndef WAVES
        top.clk = 0;
#endif
        top.eval();

        count_phase(job, top.layer, top.phase, top.head_busy);
        if (job.cycle < job.timeline_size) {
            job.timeline[job.cycle] = static_cast<uint16_t>(PHASES * top.layer + top.phase);
        }
        const bool taken = top.i_valid && top.i_ready;
        bool alive = taken;
        if (top.plane_valid) {
            alive = true;
            copy_words(top.plane_data, word, job.word_words[0]);
            status = record_word(job, 0, top.plane_tile, top.plane_channel, word);
        }
        if (top.write_valid && status == RUNNING) {
            alive = true;
            copy_words(top.write_data, word, job.word_words[0]);
            status = record_word(job, 1 + top.write_layer, top.write_tile, top.write_channel, word);
        }
        if (top.stream_valid && status == RUNNING) {
            alive = true;
            const uint32_t tensor = job.layers + top.layer;
            if (tensor < job.tensors) {
                copy_words(top.stream_data, word, job.word_words[tensor]);
            }
            status = record_word(job, tensor, top.stream_tile, top.stream_channel, word);
        }
        if (simulation->waiting && !top.o_valid) status = WITHDRAWN;
        if (top.o_valid && status == RUNNING) {
            uint32_t scores[MOST_SCORE_WORDS];
            copy_words(top.o_scores, scores, 2 * job.score_count);
            if (simulation->waiting &&
                (std::memcmp(scores, simulation->scores, 8 * job.score_count) != 0 ||
                 top.o_label != simulation->held_label)) {
                status = WITHDRAWN;
            }
            std::memcpy(simulation->scores, scores, 8 * job.score_count);
            simulation->held_label = top.o_label;
            simulation->waiting = !top.o_ready;
            if (top.o_ready) {
                const uint64_t place = job.taken % job.ring;
                std::memcpy(job.scores + place * job.classes + job.scored, scores,
                            8 * job.score_count);
                job.scored += job.score_count;
            }
            if (top.o_ready && top.o_last) {
                const uint64_t place = job.taken % job.ring;
                job.scored = 0;
                job.labels[place] = top.o_label;
                job.results[place] = job.cycle;
                ++job.taken;
                for (uint32_t tensor = 0; tensor < job.tensors; ++tensor) {
                    const uint64_t size = uint64_t(job.tiles[tensor]) * job.channels[tensor];
                    if (job.written[tensor] < job.taken * size) {
                        job.bad_tensor = tensor;
                        status = MISSING;
                    }
                }
            }
        }
        if (taken) {
            ++job.fed;
            job.feed_wait = next_pause(feed, job.pause, job);
        }
        if (top.index_valid && top.index_ready) {
            ++job.index_fed;
            job.index_wait = next_pause(index, job.index_pause, job);
        }
        if (top.o_ready) job.accept_wait = next_pause(accept, job.pause, job);
        if (job.block && top.o_valid) {
            job.accept_wait = job.block;
            job.block = 0;
        }
        const bool waits = job.fed < job.input_count && top.i_ready && !top.i_valid;
        if (alive) {
            job.quiet = 0;
        } else if (!top.o_valid && !waits && ++job.quiet > job.patience) {
            status = HUNG;
        }
#ifdef WAVES
        // The clock falls in the middle of a cycle.
        const bool wanted = job.look && opens(*job.look, job, simulation->tracer, top);
        if (wanted) simulation->tracer->vcd.dump(PERIOD * job.cycle);
        top.clk = 0;
        top.eval();
        if (wanted) simulation->tracer->vcd.dump(PERIOD * job.cycle + PERIOD / 2);
#endif
        ++job.cycle;
        const bool idle = top.phase == IDLE;
        top.clk = 1;
        top.eval();
        if (status == RUNNING && job.taken >= until && (until < job.image_count || idle)) {
            status = DONE;
        }
    }
    job.feed_state = feed.state;
    job.accept_state = accept.state;
    job.index_state = index.state;
    return status;
}

}  // extern "C"
