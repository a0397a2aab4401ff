"""Cycles of a network's 3x3 layers on an array: RTL simulation, checked value by value.

The whole stack is simulated where it takes no more than ``limit`` cycles. A larger one is cut to
fewer rows of its maps, which leaves every layer's width, channels and kernels as they are; that is
simulated, its cycles must be the cycle model's for every layer, and the model then says what the
whole stack takes. A value or a cycle that is not as expected ends the measurement.
"""

from dataclasses import dataclass, replace

from rich.console import Console

from hw.bounds import wanted_lane_slots
from hw.compiler import compile_network
from hw.cycles import predict, total_cycles
from hw.engine_program import LayerPlan, Program
from hw.params import ArrayParameters
from model.errors import CheckError
from model.format import Network
from sim.batches import Batch, Job, prepare
from sim.outcome import Outcome
from sim.progress import SimulationProgress
from sim.speedup.weights import Weights
from sim.stacks import STACKS, stack_network
from sim.synthetic import random_images
from sim.workers.spread import run_all

__all__ = ["Layer", "Measured", "Measurer", "array_text"]


@dataclass(frozen=True)
class Layer:
    """A convolution: its shape, the cycles of one image, the useful ones among them (an index
    word goes out) and those ``inside`` its passes (that, or waiting for the next tables).

    ``lanes`` is the share of the array's lanes that hold a pixel in its tiles, ``simulated``
    whether the cycles are counted or, where only the cut layer was, predicted.
    """

    name: str
    c_in: int
    c_out: int
    height: int
    width: int
    cycles: int
    useful: int
    inside: int
    lanes: float
    simulated: bool


@dataclass(frozen=True)
class Measured:
    """An array's layers. ``rows`` of the first map were simulated (all of them: None), in which
    ``values`` were compared with the golden model."""

    parameters: ArrayParameters
    layers: tuple[Layer, ...]
    rows: int | None
    values: int

    @property
    def cycles(self) -> int:
        return sum(layer.cycles for layer in self.layers)

    @property
    def useful(self) -> float:
        """Share of the cycles in which an index word goes out."""
        return sum(layer.useful for layer in self.layers) / self.cycles

    @property
    def inside(self) -> float:
        """Share of the cycles in passes, the others being those of pipelines."""
        return sum(layer.inside for layer in self.layers) / self.cycles

    @property
    def lane_cycles(self) -> float:
        """Cycles without those that lanes without a pixel spend: as if one lane did it all."""
        return sum(layer.cycles * layer.lanes for layer in self.layers)


class Measurer:
    """Measures arrays on one network's stack; what was measured once is remembered.

    Parameters
    ----------
    net : name of the stack. seed : of weights and image. engine : see `sim.verify.ENGINES`.
    limit : cycles beyond which a stack is cut. console : gets the progress.
    """

    def __init__(self, net: str, seed: int, engine: str, limit: int, console: Console):
        self.net = net
        self.seed = seed
        self.engine = engine
        self.limit = limit
        self.console = console
        self._known: dict[tuple, Measured] = {}

    def network(self, weights: Weights, **other: int | None) -> Network:
        """The stack with these weights; ``other`` keywords as of `sim.stacks.stack_network`."""
        return stack_network(self.net, weights.tau, self.seed, antipodal=weights.antipodal, **other)

    def measure(self, weights: Weights, **shape: object) -> Measured:
        """Measure; ``shape`` are the keywords of `hw.compiler.compile_network`.

        Raises UserError for a shape that is not legal, CheckError where a value or a cycle count
        is not as expected, and KeyboardInterrupt where Ctrl-C ended the simulation.
        """
        key = (weights, *sorted(shape.items()))
        if key not in self._known:
            self._known[key] = self._measure(weights, shape)
        return self._known[key]

    def _measure(self, weights: Weights, shape: dict) -> Measured:
        whole = compile_network(self.network(weights), **shape)
        rows, program = None, whole
        if total_cycles(whole) > self.limit:
            rows, program = self._cut(weights, shape)
        values = self._simulate(program, f"{array_text(whole.parameters)}, {weights.text}")
        layers = tuple(
            Layer(
                name=plan.name,
                c_in=plan.c_in,
                c_out=plan.c_out,
                height=plan.height,
                width=plan.width,
                cycles=cycles.cycles,
                useful=cycles.useful,
                inside=cycles.useful + cycles.stall,
                lanes=_lanes(whole, plan),
                simulated=rows is None,
            )
            for plan, cycles in zip(whole.plans, predict(whole), strict=False)
        )
        return Measured(whole.parameters, layers, rows, values)

    def _cut(self, weights: Weights, shape: dict) -> tuple[int, Program]:
        """The stack of the most rows that keeps to the limit, or else of the fewest possible."""
        stack = STACKS[self.net]
        fewest = 1 << (len(stack.stages) - 1)  # every stage but the last halves them
        rows = max(stack.size // 2, fewest)
        while True:
            program = compile_network(self.network(weights, rows=rows), **shape)
            if total_cycles(program) <= self.limit or rows // 2 < fewest:
                return rows, program
            rows //= 2

    def _simulate(self, program: Program, text: str) -> int:
        """Simulate one image; every layer's cycles are as predicted, or this raises CheckError.

        Returns how many values were compared.
        """
        images = random_images(self.seed, program.network, 1)
        cycles = program.load_cycles + total_cycles(program)
        self.console.print(f"{text}: {total_cycles(program):,} cycles by prediction")
        progress = SimulationProgress(1, cycles, self.console)
        job = Job(program, self.engine)
        with progress:
            progress.stage("building the simulator")
            job = replace(job, library=prepare(program, self.engine, progress.stage))
            progress.stage("simulating", total=cycles)
            results = run_all(job, [Batch(0, images)], on_progress=progress.update)
        if results.interrupted:
            raise KeyboardInterrupt
        outcome = Outcome(tuple(predict(program)), 0, 1, results.batches)
        if outcome.problem:
            raise CheckError(f"{text}: {outcome.problem}")
        return outcome.values


def array_text(parameters: ArrayParameters) -> str:
    """An array in a few words."""
    p = parameters
    fill = f", fill {p.fill}" if p.fill else ""
    return f"{p.array} array {p.pixels} x {p.channels}{fill}"


def _lanes(program: Program, plan: LayerPlan) -> float:
    """Share of the lanes, over the layer's tiles, that hold a pixel of its map."""
    tiles = plan.passes // plan.groups
    # Over all groups a lane's wanted slots are the layer's input channels.
    wanted = sum(wanted_lane_slots(program, plan)) / plan.c_in
    return wanted / (tiles * program.parameters.pixels)
