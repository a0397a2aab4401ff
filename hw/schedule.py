"""When things happen: the pipeline's latencies and, from them, every layer's cycles.

The engine runs a static schedule. A **pass** is one tile and one group: ``c_out`` index words,
one a cycle. While a pass runs, the loader prepares the next one. All passes of a layer begin
``pass_cycles`` apart, so a layer takes exactly

    setup + prepare + (passes - 1) * pass_cycles + c_out + drain

cycles, and the sequencer counts these very numbers. Nothing in the engine waits for anything
else within a layer; it waits only between layers, for an image or for a place for its result.
An engine with an index port also waits for index words: all of it at once, so that the schedule
stays as it is and only takes longer (`hw.index.schedule`).

Stages of an index word, counted from the cycle in which its address is presented (stage 0):

=========  =====================================================================
stage      what is valid
=========  =====================================================================
1          index word at the array
sum - 2    partial sums are read
sum - 1    the output channel's thresholds
sum        the array's sums, and what each lane adds them to
sum + 1    the accumulated sum: written back, or its sign taken as the lane's bit
sum + 2    pooled lanes in their place
sum + 3    the output word: to activation memory, head and probe
=========  =====================================================================

In an engine with streams, the stream unit (`hw.stream.unit`) lies between the accumulated sum and
the pooled lanes, and the queue of words with several planes (`hw.stream.plane_queue`) behind these,
if there are any; all layers pass through both. A layer's passes are never so close that the planes
of a tile, a word each, would not be out before the next tile's, and its drain lasts until the last
tile's are.
"""

from dataclasses import dataclass, replace

from hw.array.interface import ArrayTiming

__all__ = ["LayerCycles", "Timing"]

# Cycles from a memory's address to the aligned windows at the array's load port.
LOAD_LATENCY = 3
# Cycles from reading a partial sum to reading what has become of it.
PARTIAL_CYCLES = 4
# One cycle to take up the next layer's descriptor, one to start its counters.
SETUP = 2


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of one layer for one image, and what they were spent on (they add up)."""

    name: str
    kind: str
    cycles: int
    useful: int
    fill: int
    drain: int
    stall: int
    macs: int


@dataclass(frozen=True)
class Timing:
    """Latencies of one engine, and the cycle counts that follow from them.

    ``array`` are the array's own latencies. ``step_channels`` channels (of a 1x1 convolution,
    bundles of them) are loaded together, each with ``reads`` reads, and a step takes ``entries``
    cycles at least, the walk of a table; ``steps`` of them make a group. ``codebook`` codewords
    are loaded when a layer starts.
    ``stream`` and ``queue`` are the latencies of the stream unit and of the plane queue.
    """

    array: ArrayTiming
    steps: int
    step_channels: int
    entries: int
    codebook: int
    reads: int = 1
    stream: int = 0
    queue: int = 0

    def reading(self, reads: int) -> "Timing":
        """The same engine in a layer with so many reads a channel or bundle."""
        return replace(self, reads=reads)

    @property
    def step_reads(self) -> int:
        """Reads of a step, one a cycle."""
        return self.step_channels * self.reads

    @property
    def stride(self) -> int:
        """Cycles from a step's first read to the next step's."""
        return max(self.entries, self.step_reads)

    @property
    def sum_stage(self) -> int:
        """Stage of the array's sums: the index word reaches the array in stage 1."""
        return 1 + self.array.latency

    @property
    def write_stage(self) -> int:
        """Stage of an output word."""
        return self.sum_stage + 3 + self.stream + self.queue

    @property
    def word_latency(self) -> int:
        """Cycles from an output channel's thresholds to its word, before the plane queue."""
        return self.write_stage - self.queue - (self.sum_stage - 1)

    @property
    def drain(self) -> int:
        """Cycles after a layer's last index word until the next layer may take over.

        The last output word is written at ``write_stage``, and one cycle later the head needs
        the descriptor no more.
        """
        return self.write_stage + 1

    @property
    def prepare_group(self) -> int:
        """Cycles from a group's first read to its first index word."""
        last_load = (self.steps - 1) * self.stride + self.step_reads - 1 + LOAD_LATENCY
        # The index word reaches the array one cycle after its address is presented.
        return last_load + self.array.prepare_latency - 1

    @property
    def prepare(self) -> int:
        """Cycles from a layer's first read to its first index word.

        The codebook is loaded at the same time, a cycle a codeword and two to come to rest.
        """
        return max(self.prepare_group, self.codebook + 2)

    @property
    def load_wait(self) -> int:
        """Cycles that the first read waits for the codebook, so as not to get too far ahead."""
        return self.prepare - self.prepare_group

    @property
    def shortest_pass(self) -> int:
        """Cycles between passes that loading needs, whatever the output channels.

        Loading a group takes ``steps * stride``; its first load must not come more than the
        array's ``load_lead`` before the swap that takes over the group before it; and a partial
        sum is read ``PARTIAL_CYCLES`` after it was read last.
        """
        # A channel is loaded with its last read.
        first_load = self.reads - 1 + LOAD_LATENCY
        lead = self.array.load_lead
        if lead:
            # What writes tables begins when a step's last channel has come.
            lead += (self.step_channels - 1) * (self.reads - 1)
        prepared = self.prepare_group + 1 - first_load - lead
        return max(self.steps * self.stride, prepared, PARTIAL_CYCLES)

    def pass_cycles(self, c_out: int, groups: int = 1, planes: int = 1) -> int:
        """Cycles from the start of a pass to the start of the next; ``groups`` passes complete a
        tile of ``planes`` words an output channel."""
        return max(c_out, self.shortest_pass, -(-planes * c_out // groups))

    def layer_drain(self, c_out: int, planes: int) -> int:
        """The drain of a layer with so many planes an output channel."""
        return self.drain + (max(planes, 1) - 1) * c_out

    def layer(
        self,
        name: str,
        passes: int,
        c_out: int,
        macs: int,
        groups: int = 1,
        planes: int = 1,
        kind: str = "conv3x3",
    ) -> LayerCycles:
        """Cycles of a convolution of so many passes."""
        useful = passes * c_out
        stall = (passes - 1) * (self.pass_cycles(c_out, groups, planes) - c_out)
        fill = SETUP + self.prepare
        drain = self.layer_drain(c_out, planes)
        total = useful + stall + fill + drain
        return LayerCycles(name, kind, total, useful, fill, drain, stall, macs)
