"""Watches an engine's streams and probe in every cycle of a simulation, and records all of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from amaranth.hdl import Value

from hw.sequencer import Phase
from model.errors import CheckError
from model.format import Network
from sim.cycles import CycleRecorder
from sim.recorder import ImageTensors, TensorRecorder
from sim.waves.look import Look, Position

__all__ = ["Recording", "Watcher", "check_supply"]

PROGRESS_CYCLES = 64


def check_supply(taken: int, sent: int) -> None:
    """Raises CheckError unless the engine took all words of its index port, image by image."""
    if taken != sent:
        raise CheckError(f"the engine took {taken:,} words of its index port, not {sent:,}")


class Seen(NamedTuple):
    """Streams and probe in one cycle: the values before its closing clock edge."""

    i_valid: int
    i_ready: int
    o_valid: int
    o_ready: int
    o_payload: int
    layer: int
    phase: int
    head_busy: int
    plane_valid: int
    plane_tile: int
    plane_channel: int
    plane_data: int
    write_valid: int
    write_layer: int
    write_tile: int
    write_channel: int
    write_data: int
    stream_valid: int = 0
    stream_tile: int = 0
    stream_channel: int = 0
    stream_data: int = 0


@dataclass
class Recording:
    """What a simulation showed.

    ``images``: tensors, image by image. ``cycles``: [image][layer][phase]. ``results``: the cycle
    in which each result was taken; ``starts``: in which each image's computing began; ``total``:
    cycles simulated; ``timeline``: what each of the first cycles was spent on, see
    `sim.cycles.CycleRecorder`.
    """

    images: list[ImageTensors] = field(default_factory=list)
    cycles: list[list[list[int]]] = field(default_factory=list)
    results: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    total: int = 0
    timeline: Sequence[int] = ()

    @property
    def intervals(self) -> list[int]:
        """Cycles from one result to the next."""
        return [b - a for a, b in zip(self.results, self.results[1:], strict=False)]


class Watcher:
    """The testbench that only looks.

    Parameters
    ----------
    engine : component with streams ``i`` and ``o`` and a ``probe``.
    network, pixels : names and shapes of the layers, bits of an activation word.
    images : number of results to wait for; ``image_bytes`` the bytes of each.
    patience : cycles without a sign of life (a byte taken, a word written, a result) after which
        the engine counts as hung; cycles in which it waits for the testbench do not count.
    on_images : called with an image's number and a list of its tensors, and possibly those of
        images that follow it, soon after the results are out.
    on_progress : called every `PROGRESS_CYCLES` cycles with cycles simulated and results taken.
    look : sees every cycle too, and may end the simulation.
    """

    def __init__(
        self,
        engine,
        network: Network,
        pixels: int,
        images: int,
        image_bytes: int,
        patience: int,
        on_images: Callable[[int, list[ImageTensors]], object],
        on_progress: Callable[[int, int], object],
        look: Look | None = None,
    ):
        self.engine = engine
        self.names = [layer.name for layer in network.layers]
        self.images = images
        self.patience = patience
        self.on_images = on_images
        self.on_progress = on_progress
        self.look = look
        self.recording = Recording()
        self._before: Seen | None = None
        self._quiet = 0
        self._bytes_left = images * image_bytes
        self._tensors = TensorRecorder(network, pixels)
        self._scores: list[int] = []  # of a result whose scores come one by one
        self._cycles = CycleRecorder(len(network.layers))
        self.recording.cycles = self._cycles.images
        self.recording.starts = self._cycles.starts
        self.recording.timeline = self._cycles.timeline

    @property
    def done(self) -> bool:
        """Whether every result is out."""
        return len(self.recording.images) == self.images

    async def watch(self, ctx) -> None:
        """The testbench: ends when every result is out and the engine is idle; see `see`."""
        async for _, _, *values in ctx.tick().sample(*self._observed()):
            if self.see(Seen(*values)):
                return

    def see(self, seen: Seen) -> bool:
        """Take in one cycle; whether it was the last one worth looking at.

        Raises CheckError for a hang, a result that comes too often or does not hold still, and
        words that fit no tensor.
        """
        self._check_hold(seen)
        taken = len(self.recording.images)
        self._record(seen)
        if self.look is not None and self.look.see(self._position(seen, taken), seen):
            return True
        self._before = seen
        if self.done and Phase(seen.phase) is Phase.IDLE:
            return True
        taken = seen.i_valid and seen.i_ready
        self._bytes_left -= taken
        waits_for_input = self._bytes_left and seen.i_ready and not seen.i_valid
        if taken or seen.plane_valid or seen.write_valid or seen.stream_valid:
            self._quiet = 0
        elif not (seen.o_valid or waits_for_input):
            self._quiet += 1
        if self._quiet > self.patience:
            raise CheckError(self._hung(seen))
        return False

    def _observed(self) -> tuple[Value, ...]:
        """What makes up `Seen`, in its order."""
        i, o, probe = self.engine.i, self.engine.o, self.engine.probe
        streams = (i.valid, i.ready, o.valid, o.ready, o.payload)
        # A network without streams has no words of them.
        names = (name for name in Seen._fields[len(streams) :] if hasattr(probe, name))
        probed = (getattr(probe, name) for name in names)
        return tuple(Value.cast(value) for value in (*streams, *probed))

    def _position(self, seen: Seen, taken: int) -> Position:
        """Where the cycle that was just recorded lies; ``taken`` results were taken before it."""
        cycles = self._cycles
        return Position(
            cycle=self.recording.total - 1,
            image=len(cycles.images) - 1,
            layer=seen.layer,
            running=Phase(seen.phase) is not Phase.IDLE,
            head=cycles.head_image if seen.head_busy else -1,
            taken=taken,
        )

    def _record(self, seen: Seen) -> None:
        recording = self.recording
        self._cycles.tick(recording.total, seen.layer, seen.phase, seen.head_busy)
        if seen.plane_valid:
            self._tensors.planes.write(seen.plane_tile, seen.plane_channel, seen.plane_data)
        if seen.write_valid:
            word = (seen.write_tile, seen.write_channel, seen.write_data)
            self._tensors.write(seen.write_layer, *word)
        if seen.stream_valid:
            word = (seen.stream_tile, seen.stream_channel, seen.stream_data)
            self._tensors.write_stream(seen.layer, *word)
        if seen.o_valid and seen.o_ready:
            self._result(seen.o_payload)
        recording.total += 1
        if recording.total % PROGRESS_CYCLES == 0:
            self.on_progress(recording.total, len(recording.images))

    def _check_hold(self, seen: Seen) -> None:
        """A result that is offered stays offered, unchanged, until it is taken."""
        before = self._before
        waiting = before is not None and before.o_valid and not before.o_ready
        if waiting and not (seen.o_valid and seen.o_payload == before.o_payload):
            raise CheckError(
                f"the result of image {len(self.recording.images)} was withdrawn or changed "
                f"before it was taken, at cycle {self.recording.total}"
            )

    def _result(self, word: int) -> None:
        number = len(self.recording.images)
        if self.done:
            raise CheckError(f"a result came out after the last of {number} images")
        payload = self.engine.o.payload.shape().from_bits(word)
        if "scores" in payload.shape().members:
            scores = [payload.scores[place] for place in range(len(payload.scores))]
        else:
            self._scores.append(payload.score)
            if not payload.last:
                return
            scores, self._scores = self._scores, []
        tensors = self._tensors.result(payload.label, scores)
        self.recording.images.append(tensors)
        self.recording.results.append(self.recording.total)
        self.on_images(number, [tensors])

    def _hung(self, seen: Seen) -> str:
        known = seen.layer < len(self.names)
        name = self.names[seen.layer] if known else f"number {seen.layer}"
        return (
            f"the engine hangs: no sign of life for {self.patience} cycles, at cycle "
            f"{self.recording.total}, in layer {name}, phase {Phase(seen.phase).name}, after "
            f"{len(self.recording.images)} of {self.images} results"
        )
