"""Runs a compiled engine on a batch of images and records what its probe shows."""

import ctypes
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from hw.engine_program import Program
from hw.index.stream import index_stream
from hw.maps.layout import row_tiles, rows_per_tile, tile_columns, tiles
from hw.sequencer import Phase
from model.errors import CheckError
from model.host import engine_input
from sim.compiled.contents import OPTION, write_contents
from sim.cycles import PHASES, TIMELINE
from sim.maps import MapShape, map_shapes
from sim.recorder import ImageTensors
from sim.stalls import Stalls
from sim.watcher import Recording, check_supply
from sim.waves.look import Look

__all__ = ["CompiledHarness"]

# Images whose records are kept at once, and cycles simulated between looks at them: as many as
# take so long that Ctrl-C does not wait, on a large array far fewer than on a small one.
RING = 64
SLICE_CYCLES, SLICE_CYCLES_LOOKING = 50_000, 2_000
SLICE_SECONDS = 0.2
RUNNING, DONE, HUNG, BAD_WORD, TWICE, WITHDRAWN, MISSING = range(7)


class _Job(ctypes.Structure):
    """Mirror of struct Job in harness.cpp, field by field."""

    _fields_ = [
        ("input", ctypes.c_void_p),
        ("input_count", ctypes.c_uint64),
        ("input_bytes", ctypes.c_uint64),
        ("image_count", ctypes.c_uint64),
        ("patience", ctypes.c_uint64),
        ("tensors", ctypes.c_uint32),
        ("layers", ctypes.c_uint32),
        ("classes", ctypes.c_uint32),
        *((name, ctypes.c_void_p) for name in ("word_words", "tiles", "channels", "offsets")),
        ("record_words", ctypes.c_uint64),
        ("ring", ctypes.c_uint64),
        *(
            (name, ctypes.c_void_p)
            for name in ("records", "scores", "labels", "cycles", "starts", "results")
        ),
        *((name, ctypes.c_uint64) for name in ("cycle", "fed", "taken", "begun", "quiet")),
        *((name, ctypes.c_void_p) for name in ("written", "seen", "timeline")),
        ("timeline_size", ctypes.c_uint64),
        ("pause", ctypes.c_uint32),
        ("longest", ctypes.c_uint32),
        ("feed_state", ctypes.c_uint64),
        ("accept_state", ctypes.c_uint64),
        ("feed_wait", ctypes.c_uint32),
        ("accept_wait", ctypes.c_uint32),
        ("block", ctypes.c_uint32),
        *(
            (name, ctypes.c_uint32)
            for name in ("bad_tensor", "bad_tile", "bad_channel", "last_layer", "last_phase")
        ),
        ("index", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("index_count", "index_fed", "index_state")),
        *((name, ctypes.c_uint32) for name in ("index_words", "index_pause", "index_wait")),
        *((name, ctypes.c_uint32) for name in ("score_count", "scored")),
        ("look", ctypes.c_void_p),
    ]


class _Map:
    """Where a tensor lies in an image's record, and how its words become a map."""

    def __init__(self, shape: MapShape, pixels: int, offset: int):
        self.name = shape.layer if shape.tensor != "stream" else f"{shape.layer}, stream"
        self.there, self.bits = shape.there, shape.bits
        self.channels, self.height, self.width = shape.shape
        self.tiles = tiles(self.height, self.width, pixels)
        columns = tile_columns(self.width, pixels)
        self.lanes = rows_per_tile(self.width, pixels) * columns
        self.columns = row_tiles(self.width, pixels) * columns
        self.offset = offset
        self.word_words = -(-pixels * self.bits // 32)

    @property
    def words(self) -> int:
        """32-bit words of one image."""
        return self.tiles * self.channels * self.word_words

    def unpack(self, records: np.ndarray) -> np.ndarray | Iterable[None]:
        """The maps [n, channels, height, width] of n images' records, bool or, of numbers, int64;
        Nones where the layer puts out no such map."""
        count = len(records)
        if not self.there:
            return [None] * count
        words = records[:, self.offset : self.offset + self.words]
        bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little")
        bits = bits.reshape(count, self.tiles, self.channels, -1)[..., : self.lanes * self.bits]
        lanes = bits if self.bits == 1 else self._numbers(bits)
        pixels = lanes.swapaxes(1, 2).reshape(count, self.channels, -1, self.columns)
        pixels = np.ascontiguousarray(pixels[:, :, : self.height, : self.width])
        return pixels.view(bool) if self.bits == 1 else pixels

    def _numbers(self, bits: np.ndarray) -> np.ndarray:
        """Signed numbers, int64 [..., lanes], of lanes' bits, the lowest first."""
        weights = 1 << np.arange(self.bits)
        weights[-1] *= -1
        return bits.reshape(*bits.shape[:-1], self.lanes, self.bits) @ weights


class CompiledHarness:
    """The same as `sim.harness.Harness`, cycle by cycle, on a compiled engine.

    ``library`` is the engine's, from `sim.compiled.library.build_library`; where there is a
    ``look``, the one with waveforms.
    """

    def __init__(
        self,
        library: Path,
        program: Program,
        images: np.ndarray,
        *,
        patience: int,
        stalls: Stalls | None = None,
        on_images: Callable[[int, list[ImageTensors]], object] = lambda number, tensors: None,
        on_progress: Callable[[int, int], object] = lambda cycles, results: None,
        look: Look | None = None,
    ):
        network, pixels = program.network, program.parameters.pixels
        self.images = images
        self._program = program
        self.on_images = on_images
        self.recording = Recording()
        self.on_progress = on_progress
        self._names = [layer.name for layer in network.layers]
        self._sent = engine_input(network, images)
        self._maps: list[_Map] = []
        offset = 0
        for shape in map_shapes(network):
            self._maps.append(_Map(shape, pixels, offset))
            offset += self._maps[-1].words
        self._index = index_stream(program) if program.index_port else None
        self._buffers = self._allocate(offset, network.head.classes, len(network.layers))
        self._job = self._describe(stalls or Stalls(), patience)
        self._look = look
        if look is not None:
            self._job.look = ctypes.addressof(look.c)
        self._library = ctypes.CDLL(str(library))
        self._library.simulation_new.restype = ctypes.c_void_p

    def run(self) -> Recording:
        """Simulate until every image's result is out and the engine is idle, or ``look`` is done.

        Raises CheckError when the engine hangs or breaks the rules.
        """
        job, recording = self._job, self.recording
        simulation = self._start()
        job_at, count = ctypes.byref(job), len(self.images)
        slice_cycles = SLICE_CYCLES_LOOKING
        try:
            status = RUNNING
            while status == RUNNING or len(recording.images) < count:
                # Two images more than there are results may be under way.
                until = min(count, len(recording.images) + RING - 2)
                before, started = job.cycle, time.monotonic()
                status = self._library.simulation_run(
                    simulation, job_at, ctypes.c_uint64(until), ctypes.c_uint64(slice_cycles)
                )
                if status not in (RUNNING, DONE):
                    raise CheckError(self._problem(status))
                if self._look is None:
                    pace = (job.cycle - before) / max(time.monotonic() - started, 1e-6)
                    slice_cycles = int(min(max(pace * SLICE_SECONDS, 1_000), SLICE_CYCLES))
                self._collect(recording)
                self.on_progress(job.cycle, job.taken)
                if self._look is not None and self._look.done():
                    break
        finally:
            self._library.simulation_delete(simulation)
        if self._look is None:
            check_supply(job.index_fed, job.index_count * count)
        return recording

    def _start(self) -> ctypes.c_void_p:
        """A simulation whose memories are filled, at its first cycle."""
        with tempfile.TemporaryDirectory(prefix="subbit-contents-") as folder:
            write_contents(self._program, Path(folder))
            option = f"+{OPTION}={folder}".encode()
            return ctypes.c_void_p(self._library.simulation_new(option))

    def _allocate(self, record: int, classes: int, layers: int) -> dict[str, np.ndarray]:
        maps = self._maps
        return {
            "word_words": np.array([m.word_words for m in maps], np.uint32),
            "tiles": np.array([m.tiles for m in maps], np.uint32),
            "channels": np.array([m.channels for m in maps], np.uint32),
            "offsets": np.array([m.offset for m in maps], np.uint64),
            "records": np.zeros((RING, record), np.uint32),
            "scores": np.zeros((RING, classes), np.int64),
            "labels": np.zeros(RING, np.uint32),
            "cycles": np.zeros((RING, layers, PHASES), np.uint32),
            "starts": np.zeros(RING, np.uint64),
            "results": np.zeros(RING, np.uint64),
            "written": np.zeros(len(maps), np.uint64),
            "seen": np.zeros((RING, record), np.uint8),
            "timeline": np.zeros(TIMELINE, np.uint16),
        }

    def _describe(self, stalls: Stalls, patience: int) -> _Job:
        buffers, feed = self._buffers, stalls.input
        job = _Job(
            input_count=self._sent.size,
            input_bytes=self._sent.itemsize,
            image_count=len(self.images),
            patience=patience,
            tensors=len(self._maps),
            layers=len(self._names),
            classes=buffers["scores"].shape[1],
            record_words=buffers["records"].shape[1],
            ring=RING,
            pause=stalls.threshold,
            longest=stalls.longest,
            feed_wait=feed.next(),
            feed_state=feed.state,
            accept_state=stalls.output.state,
            block=stalls.block,
            timeline_size=TIMELINE,
            last_layer=len(self._names),
            score_count=1 if self._program.serial_head else buffers["scores"].shape[1],
        )
        index, pauses = self._index, stalls.index
        if index is not None:
            job.index, job.index_words = index.ctypes.data, index.shape[1]
            job.index_count = len(index)
            job.index_pause = stalls.index_threshold
            job.index_wait = pauses.next()
            job.index_state = pauses.state
        job.input = self._sent.ctypes.data
        for name, buffer in buffers.items():
            setattr(job, name, buffer.ctypes.data)
        return job

    def _collect(self, recording: Recording) -> None:
        """Take over the images whose results are out."""
        buffers = self._buffers
        phases = len(Phase)
        recording.total = self._job.cycle
        recording.timeline = buffers["timeline"][: self._job.cycle]
        first = len(recording.images)
        places = np.arange(first, self._job.taken) % RING
        if not len(places):
            return
        records = buffers["records"][places]
        maps = [m.unpack(records) for m in self._maps]
        scores = buffers["scores"][places]
        count = len(self._names) - 1
        for (planes, *outputs), *answer in zip(
            zip(*maps, strict=True), scores, buffers["labels"][places].tolist(), strict=True
        ):
            activations, streams = tuple(outputs[:count]), tuple(outputs[count:])
            recording.images.append(ImageTensors(planes, activations, *answer, streams))
        recording.cycles += buffers["cycles"][places, :, :phases].tolist()
        recording.starts += buffers["starts"][places].tolist()
        recording.results += buffers["results"][places].tolist()
        buffers["seen"][places] = 0
        self.on_images(first, recording.images[first:])

    def _problem(self, status: int) -> str:
        job = self._job
        name = self._maps[job.bad_tensor].name if job.bad_tensor < len(self._maps) else "unknown"
        word = f"image {job.taken}, layer {name}: tile {job.bad_tile} of channel {job.bad_channel}"
        layer = self._names[job.last_layer] if job.last_layer < len(self._names) else "none"
        return {
            HUNG: f"the engine hangs: no sign of life for {job.patience} cycles, at cycle "
            f"{job.cycle}, in layer {layer}, phase {Phase(job.last_phase).name}, after "
            f"{job.taken} of {job.image_count} results",
            BAD_WORD: f"{word} was written, but the map has no such word",
            TWICE: f"{word} was written twice",
            WITHDRAWN: f"the result of image {job.taken} was withdrawn or changed before it was "
            f"taken, at cycle {job.cycle}",
            MISSING: f"image {job.taken - 1}, layer {name}: a word was never written, yet the "
            "image's result came out",
        }[status]
