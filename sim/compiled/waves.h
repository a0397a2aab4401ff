// Waveforms of a window, and the cycle in which a word is written; part of harness.cpp, in the
// simulator that traced.cpp makes (which has included what this needs, outside of extern "C").
// What a window is: sim/waves/window.py.

constexpr uint64_t NEVER = ~0ULL;
constexpr uint64_t PERIOD = 10;  // ns a cycle

// What is wanted and what came of it; mirrored by CLook in sim/waves/look.py.
struct Look {
    int32_t file;    // descriptor that gets the waveforms; -1 for none
    int32_t error;   // errno of the first write that failed
    uint64_t first;  // cycles of the window
    uint64_t last;
    uint64_t image;   // of a window that is a layer's
    uint64_t layer;   // NEVER: the window is one of cycles
    uint64_t head;    // the layer is the head
    uint64_t opened;  // the window's first cycle and the first one after it; NEVER before
    uint64_t closed;
    uint64_t word_image;  // NEVER: no word is looked for
    uint64_t word_tensor;
    uint64_t word_tile;
    uint64_t word_channel;
    uint64_t found;  // the cycle in which it was written; NEVER before
};

namespace {

// A file that is open already. What cannot be written is dropped: Verilator would abort.
class Descriptor : public VerilatedVcdFile {
    Look& look;

public:
    explicit Descriptor(Look& look) : look{look} {}
    bool open(const std::string&) override { return true; }
    void close() override {}
    ssize_t write(const char* from, ssize_t size) override {
        for (ssize_t done = 0; done < size && !look.error;) {
            const ssize_t got = ::write(look.file, from + done, size - done);
            if (got > 0) done += got;
            else if (errno != EINTR) look.error = errno;
        }
        return size;
    }
};

struct Tracer {
    Descriptor file;
    VerilatedVcdC vcd{&file};
    explicit Tracer(Look& look) : file{look} {}
};

bool begins(const Look& look, const Job& job, uint32_t layer, uint32_t phase, bool head_busy) {
    if (look.layer == NEVER) return job.cycle >= look.first;
    if (!look.head) {
        return phase != IDLE && layer == look.layer && job.begun == look.image + 1;
    }
    const bool drained = job.last_layer == job.layers - 2 && job.last_phase == DRAIN;
    return head_busy && job.begun - (drained ? 0 : 1) == look.image + 1;
}

bool ends(const Look& look, const Job& job, uint32_t layer, uint32_t phase) {
    if (look.layer == NEVER) return job.cycle > look.last;
    if (!look.head) return !begins(look, job, layer, phase, false);
    return job.taken > look.image && job.results[look.image % job.ring] != job.cycle;
}

void note_word(Look* look, uint64_t image, uint64_t tensor, uint64_t tile, uint64_t channel,
               uint64_t cycle) {
    if (look && look->found == NEVER && image == look->word_image && tensor == look->word_tensor &&
        tile == look->word_tile && channel == look->word_channel) {
        look->found = cycle;
    }
}

// Called when a cycle's values have come to rest, before the clock falls; whether they are wanted.
bool opens(Look& look, const Job& job, std::unique_ptr<Tracer>& tracer, Vtop& top) {
    if (look.file < 0 || look.closed != NEVER) return false;
    if (look.opened == NEVER) {
        if (!begins(look, job, top.layer, top.phase, top.head_busy)) return false;
        look.opened = job.cycle;
        tracer = std::make_unique<Tracer>(look);
        top.trace(&tracer->vcd, 99);
        tracer->vcd.open("waves");
    } else if (ends(look, job, top.layer, top.phase)) {
        look.closed = job.cycle;
        tracer->vcd.close();
        return false;
    }
    return true;
}

}  // namespace
