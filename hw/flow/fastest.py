"""The highest clock that a design closes at: a few builds, each as fast as the last one allowed."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from hw.flow.builder import Request, build
from hw.flow.progress import Progress
from hw.flow.report import BuildReport

__all__ = ["MOST_RUNS", "build_fastest"]

MOST_RUNS = 4
# A higher clock must be worth a run.
WORTHWHILE = Fraction(1, 100)


def build_fastest(request: Request, clocks: Sequence[Fraction], progress: Progress) -> BuildReport:
    """Build at the highest of ``clocks`` that closes; the result lies in the request's folder.

    A router works as hard as its target asks. So each run aims at the highest clock that the last
    one reached: upwards from ``request.clock_mhz`` as long as timing is met, downwards until it is;
    never at a clock again, nor above one that was missed. After `MOST_RUNS`, or where no clock
    between is 1 % higher, the fastest design that met its clock is it; where none did, the last one
    is returned, its timing missed. So is the first one that was not routed at all.

    Raises what `hw.flow.builder.build` raises.
    """
    tries = request.folder / "clocks"
    target, tried = request.clock_mhz, []
    best: tuple[Fraction, BuildReport] | None = None
    ceiling = max(clocks) + 1
    for run in range(1, MOST_RUNS + 1):
        progress.say(f"--clock auto, run {run} of at most {MOST_RUNS}: {float(target):g} MHz")
        folder = tries / f"{float(target):.6g}"
        folder.mkdir(parents=True, exist_ok=True)
        settings = request.board.pll_settings(target)
        one = replace(request, clock_mhz=target, settings=settings, folder=folder)
        report = build(one, progress)
        chosen = folder
        if report.fmax_mhz is None:
            break
        tried.append(f"{float(target):g} MHz reached {report.fmax_mhz:.2f}")
        progress.say(tried[-1])
        if report.timing_met:
            best = (target, report)
        else:
            ceiling = target
        floor = best[0] * (1 + WORTHWHILE) if best else Fraction(0)
        fmax = Fraction(report.fmax_mhz)
        between = [clock for clock in clocks if floor <= clock <= fmax and clock < ceiling]
        if not between:
            break
        target = max(between)
    if best:
        target, report = best
        chosen = tries / f"{float(target):.6g}"
    if tried:
        report.notes.append(f"--clock auto: {', '.join(tried)}.")
    for path in chosen.iterdir():
        shutil.copy2(path, request.folder / path.name)
    shutil.rmtree(tries)
    return report
