"""Random networks through the RTL: every value and every layer's cycles, all drawn from a seed.

    python -m sim.random_networks --count 200 --seed 0
    python -m sim.random_networks --seed 0 --first 17 --count 1

Draws networks, images and engines. Even numbers are plain stacks (`sim.synthetic.random_case`):
codebooks, arrays, lanes, channels, fills, strides, pooling, maps of any size, 1x1 or wider than the
lanes. Odd numbers are graphs (`sim.random_blocks.random_graph`): shortcuts, streams, 1x1 layers,
numbers of several bits, paddings, stems, heads of all kinds. Some have an index port, or streams
that pause. Simulates each, compares every tensor with the golden model and every
layer's cycles with the prediction, and counts what was drawn. Writes report.json.

Exit status: 0 all equal, 1 something differs or an engine hangs, 2 bad input, 130 interrupted.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.compiler import compile_network
from hw.engine_program import Program
from model import bits
from model.errors import CheckError, UserError, run_command
from model.files import make_folder, write_text
from model.network import Conv, Pointwise
from sim.compiled.toolchain import missing
from sim.random_blocks import random_graph
from sim.stalls import Stalls
from sim.synthetic import Case, random_case, random_images
from sim.verify import ENGINES, verify

__all__ = ["KINDS", "Trial", "main", "random_trial"]

# A seed's networks, at most.
MOST = 1_000_000
# Of a graph.
IMAGES = 2


@dataclass(frozen=True, eq=False)
class Trial:
    """A network with images and an engine for it, and whether its streams pause."""

    case: Case
    program: Program
    stalls: Stalls | None

    def __str__(self) -> str:
        port = self.program.index_port
        indices = f", index port {port.bits} bits, {port.buffer_words} words" if port else ""
        return f"{self.case}{indices}{', pauses' if self.stalls else ''}"


def random_trial(seed: int, number: int) -> Trial:
    """The seed's network of this number."""
    own = MOST * seed + number
    rng, port = random.Random(f"{seed} {number}"), {}
    if number % 2:
        graph = random_graph(own)
        case = Case(graph.network, random_images(own, graph.network, IMAGES), graph.shape)
    else:
        case = random_case(own)
    if number % 2 == 0 and rng.random() < 0.3:
        port = {
            "index_port": rng.choice([1, 3, 8, 24, 45, 100]),
            "index_buffer": rng.choice([2, 4, 32, 1024]),
        }
    stalls = Stalls(seed, pause=rng.choice([0.01, 0.2])) if rng.random() < 0.25 else None
    return Trial(case, compile_network(case.network, **case.shape, **port), stalls)


def _layers(condition):
    """Whether it holds for one of a trial's layers: of its convolution, plan and lanes."""

    def holds(trial: Trial) -> bool:
        pixels = trial.program.parameters.pixels
        layers = zip(trial.program.network.convs, trial.program.plans, strict=True)
        return any(condition(conv, plan, pixels) for conv, plan in layers)

    return holds


#: What is counted: a name, and whether a trial is one.
KINDS = {
    "direct array": lambda trial: trial.program.parameters.array == "direct",
    "shared array": lambda trial: trial.program.parameters.array == "shared",
    "plain kernels": lambda trial: trial.program.parameters.tau == bits.TAPS,
    "codebooks without a sign bit": lambda trial: not trial.program.parameters.antipodal,
    "layers of different codebooks": lambda trial: (
        len({(c.tau, c.antipodal) for c in trial.program.network.convs if isinstance(c, Conv)}) > 1
    ),
    "stride 2": _layers(lambda conv, plan, pixels: conv.stride == 2),
    "pooling": _layers(lambda conv, plan, pixels: plan.pool),
    "odd sides pooled": _layers(
        lambda conv, plan, pixels: plan.pool and (plan.sums_height % 2 or plan.sums_width % 2)
    ),
    "wider than the lanes": _layers(lambda conv, plan, pixels: conv.width > pixels),
    "wider, stride 2": _layers(lambda conv, plan, pixels: conv.width > pixels and conv.stride == 2),
    "still wider, pooled": _layers(lambda conv, plan, pixels: plan.pool_cut),
    "1x1 maps": _layers(lambda conv, plan, pixels: conv.height == conv.width == 1),
    "single channels": _layers(lambda conv, plan, pixels: 1 in (conv.c_in, conv.c_out)),
    "several groups": _layers(lambda conv, plan, pixels: plan.groups > 1),
    "loading or filling shows": _layers(lambda conv, plan, pixels: plan.pass_cycles > conv.c_out),
    "1x1 layers": _layers(lambda conv, plan, pixels: isinstance(conv, Pointwise)),
    "weights of several bits": _layers(lambda conv, plan, pixels: conv.weight_bits > 1),
    "activations of several bits": _layers(lambda conv, plan, pixels: conv.in_bits > 1),
    "padded by ones": _layers(
        lambda conv, plan, pixels: isinstance(conv, Conv) and conv.padding != "zero"
    ),
    "streams": _layers(lambda conv, plan, pixels: conv.stream is not None),
    "residual additions": _layers(
        lambda conv, plan, pixels: conv.stream is not None and conv.stream.residual is not None
    ),
    "streams pooled": _layers(lambda conv, plan, pixels: plan.pools_stream),
    "means": _layers(lambda conv, plan, pixels: conv.pool == "avg2"),
    "streams pooled beside": _layers(lambda conv, plan, pixels: plan.stands_in),
    "PReLUs": _layers(lambda conv, plan, pixels: conv.stream is not None and conv.stream.prelu),
    "layers that read an earlier one": lambda trial: not trial.program.chain,
    "stems": lambda trial: trial.program.network.stem is not None,
    "8-bit pixels": lambda trial: trial.program.network.encoding == "binary",
    "heads on streams": lambda trial: trial.program.network.head.on == "stream",
    "flattened heads": lambda trial: trial.program.network.head.flatten,
    "one lane": lambda trial: trial.program.parameters.pixels == 1,
    "index port": lambda trial: trial.program.index_port is not None,
    "streams that pause": lambda trial: trial.stalls is not None,
}


def _simulate(trial: Trial, engine: str) -> tuple[dict, str | None]:
    """What came out, for the report, and the first problem."""
    try:
        verdict = verify(trial.program, trial.case.images, engine=engine, stalls=trial.stalls)
    except CheckError as error:
        return {"images": 0, "values": 0, "cycles": 0}, str(error)
    recording = verdict.recording
    found = {
        "images": len(recording.images),
        "values": verdict.comparison.values,
        "cycles": recording.total,
    }
    return found, verdict.problem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.random_networks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--count", type=int, default=200, help="how many networks (default: 200)")
    add("--seed", type=int, default=0)
    add("--first", type=int, default=0, help="number of the first one (default: 0)")
    add("--engine", choices=ENGINES, default="python",
        help="default: python; compiling takes longer than most of these simulations")  # fmt: skip
    add("--out", type=Path, default=Path("build/random"), help="folder of report.json")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module's text."""
    options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.count < 1 or options.first < 0 or options.seed < 0:
        raise UserError("--count must be at least 1, --first and --seed at least 0")
    if options.first + options.count > MOST:
        raise UserError(f"--first and --count: a seed has networks 0 to {MOST - 1:,}")
    if options.engine == "compiled" and (problem := missing()):
        raise UserError(f"--engine compiled: {problem}")
    make_folder(options.out)
    rows, kinds, started = [], Counter(), time.monotonic()
    for number in range(options.first, options.first + options.count):
        trial = random_trial(options.seed, number)
        row, problem = _simulate(trial, options.engine)
        kinds.update(kind for kind, holds in KINDS.items() if holds(trial))
        rows.append({"number": number, "network": str(trial)} | row | {"problem": problem})
        left = (time.monotonic() - started) / len(rows) * (options.count - len(rows))
        print(
            f"{len(rows)}/{options.count} network {number}: {problem or 'all equal'}, "
            f"{row['values']:,} values, {row['cycles']:,} cycles, about {left:.0f} s left: {trial}",
            flush=True,
        )
    print("\n".join(f"{kind:30}{kinds[kind]:6,} networks" for kind in KINDS))
    wrong = [row for row in rows if row["problem"]]
    totals = {name: sum(row[name] for row in rows) for name in ("images", "values", "cycles")}
    print(
        f"{len(rows):,} networks of seed {options.seed} ({options.engine}), {totals['images']:,} "
        f"images, {totals['values']:,} values, {totals['cycles']:,} cycles: {len(wrong):,} "
        "networks differ"
    )
    report = {"seed": options.seed, "engine": options.engine, **totals, "differing": len(wrong),
              "kinds": {kind: kinds[kind] for kind in KINDS}, "networks": rows}  # fmt: skip
    write_text(options.out / "report.json", json.dumps(report, indent=1) + "\n")
    if wrong:
        raise CheckError(f"network {wrong[0]['number']}: {wrong[0]['problem']}")
    return 0


if __name__ == "__main__":
    run_command(main)
