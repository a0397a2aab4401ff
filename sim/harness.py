"""The testbench: streams images into the engine, takes its results, and has it watched."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
from amaranth.sim import Simulator

from model.format import Network
from model.host import engine_input
from sim.recorder import ImageTensors
from sim.stalls import Stalls
from sim.watcher import Recording, Watcher, check_supply
from sim.waves.look import Look

__all__ = ["Harness"]

PERIOD = 1e-8


class Harness:
    """Simulates an engine on a batch of images, streamed back to back.

    Parameters
    ----------
    engine, network, pixels, patience, on_images, on_progress : see `sim.watcher.Watcher`.
    images : uint8 [N, colours, height, width].
    index : port words of one image for an engine with an index port, uint32 [n, words], see
        `hw.index.stream.index_stream`; they are sent once an image.
    stalls : how the testbench hesitates; not at all when left out.
    look : sees every cycle and may end the simulation early; see `sim.waves`.

    Building it elaborates the design and compiles it for Amaranth's simulator (seconds).
    """

    def __init__(
        self,
        engine,
        network: Network,
        pixels: int,
        images: np.ndarray,
        *,
        patience: int,
        index: np.ndarray | None = None,
        stalls: Stalls | None = None,
        on_images: Callable[[int, list[ImageTensors]], object] = lambda number, tensors: None,
        on_progress: Callable[[int, int], object] = lambda cycles, results: None,
        look: Look | None = None,
    ):
        self.engine = engine
        self.images = images
        self.stalls = stalls or Stalls()
        self.look = look
        self._sent = engine_input(network, images)
        count, size = self._sent.shape
        self._watcher = Watcher(
            engine, network, pixels, count, size, patience, on_images, on_progress, look
        )
        self._simulator = Simulator(engine)
        # Cycle n, with the edge that ends it, lies at n to n + 1 periods.
        self._simulator.add_clock(PERIOD, phase=PERIOD)
        self._simulator.add_testbench(self._feed, background=True)
        self._simulator.add_testbench(self._accept, background=True)
        self._index, self._supplied = index, 0
        if index is not None:
            self._simulator.add_testbench(self._feed_indices, background=True)
        self._simulator.add_testbench(self._watcher.watch)

    @property
    def recording(self) -> Recording:
        """What the simulation has shown so far."""
        return self._watcher.recording

    def run(self) -> Recording:
        """Simulate until every image's result is out and the engine is idle, or ``look`` is done.

        Raises CheckError when the engine hangs or breaks the rules; see `Watcher.watch`.
        """
        with self.look.tracing(self._simulator, self.engine) if self.look else nullcontext():
            self._simulator.run()
        if self._index is not None and self.look is None:
            check_supply(self._supplied, len(self._index) * len(self.images))
        return self.recording

    async def _feed(self, ctx) -> None:
        """Sends every image's pixels, or the values of its stem's stream."""
        pauses = self.stalls.input
        stream = self.engine.i
        for number in self._sent.reshape(-1).tolist():
            if cycles := pauses.next():
                ctx.set(stream.valid, 0)
                ctx.set(stream.payload, 0)
                await _wait(ctx, cycles)
            ctx.set(stream.payload, number)
            ctx.set(stream.valid, 1)
            await _until(ctx, stream.ready)
        ctx.set(stream.valid, 0)
        ctx.set(stream.payload, 0)

    async def _feed_indices(self, ctx) -> None:
        """Sends every image's index words."""
        pauses = self.stalls.index
        stream = self.engine.index
        words = [int.from_bytes(word.tobytes(), "little") for word in self._index]
        for word in words * len(self.images):
            if cycles := pauses.next():
                ctx.set(stream.valid, 0)
                await _wait(ctx, cycles)
            ctx.set(stream.payload, word)
            ctx.set(stream.valid, 1)
            await _until(ctx, stream.ready)
            self._supplied += 1
        ctx.set(stream.valid, 0)

    async def _accept(self, ctx) -> None:
        """Raises and lowers the output's ``ready``."""
        pauses = self.stalls.output
        stream = self.engine.o
        if self.stalls.block:
            await _until(ctx, stream.valid)
            await _wait(ctx, self.stalls.block)
        ctx.set(stream.ready, 1)
        while self.stalls.pause:
            await ctx.tick()
            if cycles := pauses.next():
                ctx.set(stream.ready, 0)
                await _wait(ctx, cycles)
                ctx.set(stream.ready, 1)


# Not `ctx.tick().repeat()` and `.until()`: a simulation that ends in an error abandons its
# testbenches, and those two cannot be abandoned without a complaint from their clean-up.
async def _wait(ctx, cycles: int) -> None:
    for _ in range(cycles):
        await ctx.tick()


async def _until(ctx, condition) -> None:
    done = False
    while not done:
        _, _, done = await ctx.tick().sample(condition)
