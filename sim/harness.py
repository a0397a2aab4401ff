"""The testbench: streams images into the engine, takes its results, and has it watched."""

import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from amaranth.sim import Simulator

from model.format import Network
from sim.recorder import ImageTensors
from sim.watcher import Recording, Watcher

__all__ = ["Harness", "Stalls"]

PERIOD = 1e-8


@dataclass(frozen=True)
class Stalls:
    """How the testbench hesitates at both of the engine's streams, from a seed.

    Before each byte the input pauses with probability ``pause``, and in each cycle the output
    refuses with the same probability; a pause lasts 1 to ``longest`` cycles. ``block`` is how
    many cycles the output stays blocked once the first result is offered.
    """

    seed: int = 0
    pause: float = 0.0
    longest: int = 8
    block: int = 0


class Harness:
    """Simulates an engine on a batch of images, streamed back to back.

    Parameters
    ----------
    engine, network, pixels, patience, on_images, on_progress : see `sim.watcher.Watcher`.
    images : uint8 [N, colours, height, width].
    stalls : how the testbench hesitates; not at all when left out.
    vcd : file that gets the waveforms (it halves the speed).

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
        stalls: Stalls | None = None,
        on_images: Callable[[int, list[ImageTensors]], object] = lambda number, tensors: None,
        on_progress: Callable[[int, int], object] = lambda cycles, results: None,
        vcd: Path | None = None,
    ):
        self.engine = engine
        self.images = images
        self.stalls = stalls or Stalls()
        self.vcd = vcd
        count, size = len(images), images[0].size
        self._watcher = Watcher(
            engine, network, pixels, count, size, patience, on_images, on_progress
        )
        self._simulator = Simulator(engine)
        self._simulator.add_clock(PERIOD)
        self._simulator.add_testbench(self._feed, background=True)
        self._simulator.add_testbench(self._accept, background=True)
        self._simulator.add_testbench(self._watcher.watch)

    @property
    def recording(self) -> Recording:
        """What the simulation has shown so far."""
        return self._watcher.recording

    def run(self) -> Recording:
        """Simulate until every image's result is out and the engine is idle.

        Raises CheckError when the engine hangs or breaks the rules; see `Watcher.watch`.
        """
        with self._simulator.write_vcd(str(self.vcd)) if self.vcd else nullcontext():
            self._simulator.run()
        return self.recording

    async def _feed(self, ctx) -> None:
        """Sends every image's bytes (colours, rows, columns)."""
        rng = random.Random(f"feed {self.stalls.seed}")
        stream = self.engine.i
        for byte in self.images.tobytes():
            if rng.random() < self.stalls.pause:
                ctx.set(stream.valid, 0)
                await _wait(ctx, rng.randint(1, self.stalls.longest))
            ctx.set(stream.payload, byte)
            ctx.set(stream.valid, 1)
            await _until(ctx, stream.ready)
        ctx.set(stream.valid, 0)

    async def _accept(self, ctx) -> None:
        """Raises and lowers the output's ``ready``."""
        rng = random.Random(f"accept {self.stalls.seed}")
        stream = self.engine.o
        if self.stalls.block:
            await _until(ctx, stream.valid)
            await _wait(ctx, self.stalls.block)
        ctx.set(stream.ready, 1)
        while self.stalls.pause:
            await ctx.tick()
            if rng.random() < self.stalls.pause:
                ctx.set(stream.ready, 0)
                await _wait(ctx, rng.randint(1, self.stalls.longest))
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
