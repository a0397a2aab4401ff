"""What ``python -m sim.run`` was asked for in waveforms, checked, and carried out."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hw.cycles import total_cycles
from model.errors import UserError
from model.files import make_folder
from sim.batches import Batch, Job
from sim.outcome import Outcome
from sim.waves.replay import Replay
from sim.waves.window import Window, parse_cycles, parse_layer

__all__ = ["Request", "add_options", "find_request"]


EVERYTHING = Window()


def add_options(add: Callable) -> None:
    """The options, by a parser's ``add_argument``."""
    add("--vcd", type=Path, metavar="FILE",
        help="write waveforms of the first batch of images, and a save file for GTKWave beside "
        "them; in a simulation of their own, so that the others stay fast")  # fmt: skip
    add("--vcd-layer", metavar="NAME[@IMAGE]",
        help="only those of this layer, of this image (default: the first)")  # fmt: skip
    add("--vcd-cycles", metavar="FROM:TO", help="only those of these cycles, both included")
    add("--vcd-on-mismatch", type=Path, metavar="FILE",
        help="where a value differs, write waveforms around the first such one")  # fmt: skip


@dataclass(frozen=True)
class Request:
    """``file`` gets the waveforms of ``window`` in the simulation of the batch that the run's
    image ``image`` is in; ``on_mismatch`` those around the first differing value. ``what`` says
    what the window is."""

    file: Path | None = None
    window: Window = EVERYTHING
    image: int = 0
    what: str = "the first batch"
    on_mismatch: Path | None = None

    def write(
        self, job: Job, batches: Sequence[Batch], on_stage: Callable[[str], object]
    ) -> str | None:
        """Before the run: write what does not depend on its results; returns a line about it.

        Raises UserError where the simulation has no such cycles, CheckError where the engine
        hangs (with its waveforms up to there).
        """
        if self.file is None:
            return None
        batch = next(b for b in batches if self.image < b.first + len(b.images))
        # Within the batch, the image has another number than in the run.
        window = replace(self.window, image=self.image - batch.first)
        _check_early(window, job, batch)
        first = job.number + batch.first
        images = f"images {first} to {first + len(batch.images) - 1}"
        replay = _replay(job, on_stage)
        if self.window == EVERYTHING:
            on_stage(f"writing waveforms of all of {images} (--vcd-layer, --vcd-cycles: of less)")
        written = replay.write(batch, window, self.file)
        return f"waveforms of {self.what} ({images}): {written}"

    def write_mismatch(
        self,
        job: Job,
        batches: Sequence[Batch],
        outcome: Outcome,
        on_stage: Callable[[str], object],
    ) -> str | None:
        """After the run: write what happened around its first differing value, if there is one;
        returns a line about it."""
        difference = outcome.first_difference
        if self.on_mismatch is None:
            return None
        if difference is None:
            return f"no value differs: {self.on_mismatch} is not written"
        results = {result.first: result for result in outcome.batches}
        batch = next(b for b in batches if results[b.first].first_difference is difference)
        replay = _replay(job, on_stage)
        cycle, window = replay.window_around(batch, results[batch.first], difference)
        written = replay.write(batch, window, self.on_mismatch, mark=cycle)
        place = f"image {difference.image}, layer {difference.layer}"
        return f"waveforms around the first differing value ({place}, cycle {cycle:,}), {written}"


def find_request(options: argparse.Namespace, layers: Sequence[str], images: range) -> Request:
    """What the options ask for, of a network's ``layers`` (the head is the last one), the numbers
    of the run's images being ``images``.

    Raises UserError for limits that contradict each other or do not fit, and for files that
    cannot be written.
    """
    if options.vcd is None and (options.vcd_layer or options.vcd_cycles):
        limit = "--vcd-layer" if options.vcd_layer else "--vcd-cycles"
        raise UserError(f"{limit} limits --vcd: name its file with --vcd FILE")
    if options.vcd_layer and options.vcd_cycles:
        raise UserError("--vcd-layer and --vcd-cycles do not go together: choose one")
    if options.vcd is not None and options.vcd == options.vcd_on_mismatch:
        raise UserError("--vcd and --vcd-on-mismatch name the same file: choose two")
    request = Request(options.vcd, on_mismatch=options.vcd_on_mismatch)
    if options.vcd_cycles:
        request = replace(request, window=parse_cycles(options.vcd_cycles))
    if options.vcd_layer:
        name, number = parse_layer(options.vcd_layer, layers, images)
        layer = layers.index(name)
        request = replace(
            request,
            window=Window(layer=layer, head=layer == len(layers) - 1),
            image=number - images.start,
            what=f"layer {name} of image {number}, in its batch",
        )
    for file in filter(None, (options.vcd, options.vcd_on_mismatch)):
        make_folder(file.parent)
        if file.is_dir():
            raise UserError(f"{file} is a folder: name a file for the waveforms")
    return request


def _replay(job: Job, on_stage: Callable[[str], object]) -> Replay:
    on_stage("building the simulator with waveforms")
    replay = Replay.of(job, on_stage)
    on_stage("writing waveforms")
    return replay


def _check_early(window: Window, job: Job, batch: Batch) -> None:
    """Raises UserError for cycles that no simulation of the batch comes to."""
    each = job.program.load_cycles + total_cycles(job.program)
    most = len(batch.images) * each
    asked = window.first if window.last is None else window.last
    if job.stalls is None and asked >= most:
        raise UserError(
            f"--vcd-cycles: cycle {asked} is beyond the first batch's simulation, which takes "
            f"less than {most:,} cycles"
        )
