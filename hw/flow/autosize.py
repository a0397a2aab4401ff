"""Chooses the array: the largest that fits the part, and why that one."""

from collections.abc import Iterator
from dataclasses import dataclass

from hw.boards import Board
from hw.compiler import compile_network
from hw.cycles import total_cycles
from hw.engine_program import Program
from hw.flow.estimate import estimate, least_luts, without_dsp
from hw.flow.resources import Resources
from model import bits
from model.errors import CheckError, UserError
from model.format import Conv, Network

__all__ = [
    "CHANNELS", "MARGINS", "WORTHWHILE", "Candidate", "Choice", "candidates", "choose", "fills",
    "fullness", "lane_counts", "margins",
]  # fmt: skip

# Shares of the part that a design may be estimated at; those of LUTs and block RAM are the board's
# own.
MARGINS = {"lutram": 0.80, "ff": 0.80}
# A larger array has to save this share of the cycles to be worth its area.
WORTHWHILE = 0.10
# Designs whose estimates differ by less are taken for equally large.
TOLERANCE = 0.10
MAX_PIXELS = 256
# Powers of two, and between them what lets a network of 64, 96 and 128 channels fill a part better.
CHANNELS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)


@dataclass(frozen=True)
class Choice:
    """A compiled network, and one sentence that says why its array is what it is."""

    program: Program
    reason: str


@dataclass(frozen=True)
class Candidate:
    """A compiled network, its cycles an image (those that its pixels take to come in, where these
    are more), and the resources it is estimated at."""

    program: Program
    cycles: int
    needs: Resources

    @property
    def shape(self) -> str:
        p = self.program.parameters
        fill = f", {p.fill} dot9 units a lane" if p.fill else ""
        return f"{p.pixels} pixels x {p.channels} channels{fill}"


def margins(board: Board) -> dict[str, float]:
    """Shares of each resource that a chosen design may be estimated at."""
    limits = {"lut": board.lut_limit} | MARGINS | {"bram": board.bram_limit}
    return {name: limit for name, limit in limits.items() if name in board.available}


def lane_counts(network: Network) -> list[int]:
    """Numbers of lanes that the network's maps fill: a width times a power of two.

    At least the widest map's width, at most what its largest map has rows for.
    """
    widest = max(conv.width for conv in network.convs)
    counts = set()
    for conv in network.convs:
        rows = 1
        while True:
            lanes = conv.width * rows
            if widest <= lanes <= MAX_PIXELS:
                counts.add(lanes)
            if rows >= conv.height or lanes > MAX_PIXELS:
                break
            rows *= 2
    return sorted(counts) or [widest]


def fills(channels: int) -> list[int]:
    """Numbers of dot9 units a lane that may fill the tables of so many channels."""
    return [n for n in range(1, channels + 1) if channels % n == 0]


def _plain(network: Network) -> bool:
    """Whether a 3x3 convolution has plain kernels, which a shared array cannot hold."""
    return any(isinstance(conv, Conv) and conv.tau == bits.TAPS for conv in network.convs)


def choose(
    network: Network,
    board: Board,
    *,
    array: str | None,
    pixels: int | None,
    channels: int | None,
    fill: int | None,
    target: int | None = None,
) -> Choice:
    """The program to build; what is not given is chosen (``fill`` with a given size by the
    compiler).

    With a ``target``, cycles an image that must do, it is the smallest of those that are as fast.

    Raises UserError for parameters that are illegal or a network that the engine cannot run, and
    CheckError where it is certain beforehand that the design cannot fit.
    """
    if array is None:
        array = "direct" if _plain(network) else board.array
    if pixels is not None and channels is not None:
        _refuse_certain_misfit(board, array, pixels, channels)
        program = compile_network(
            network, array=array, pixels=pixels, channels=channels, fill=fill
        )
        return Choice(program, "The array's size was given.")
    found = list(candidates(network, board, array, pixels, channels, fill))
    return _best(found, board, target)


def _refuse_certain_misfit(board: Board, array: str, pixels: int, channels: int) -> None:
    needed, available = least_luts(board.family, array, pixels, channels), board.available["lut"]
    if needed > available:
        raise CheckError(
            f"the design needs over {needed:,} lut and {board.part} has {available:,}: lower "
            f"--pixels or --channels (now {pixels} pixels, {channels} channels)"
        )


def candidates(
    network: Network,
    board: Board,
    array: str,
    pixels: int | None,
    channels: int | None,
    fill: int | None,
) -> Iterator[Candidate]:
    """Every size that may be worth a look, compiled; raises UserError where none is legal."""
    most_channels = max(conv.c_in for conv in network.convs)
    refusal = None
    found = False
    for lanes in [pixels] if pixels else lane_counts(network):
        for group in [channels] if channels else CHANNELS:
            needless = channels is None and group >= 2 * most_channels
            too_large = least_luts(board.family, array, lanes, group) > board.available["lut"]
            if found and (needless or too_large):
                continue
            searched = array == "shared" and fill is None
            for units in fills(group) if searched else [fill]:
                try:
                    program = compile_network(
                        network, array=array, pixels=lanes, channels=group, fill=units
                    )
                except UserError as error:
                    refusal = error
                    continue
                found = True
                needs = estimate(program, board.family)
                if board.available.get("dsp") == 0:
                    needs = without_dsp(needs)
                cycles = max(total_cycles(program), program.load_cycles)
                yield Candidate(program, cycles, needs)
    if not found:
        raise refusal


def fullness(needs: Resources, board: Board) -> tuple[float, str]:
    """How full the part would be, as a share of what the margins allow; and of what."""
    return max(
        (getattr(needs, name) / (margin * board.available[name]), name)
        for name, margin in margins(board).items()
    )


def _best(found: list[Candidate], board: Board, target: int | None) -> Choice:
    """The smallest of the fitting candidates that is nearly as fast as the fastest of them, or
    that reaches the target."""
    fitting = [c for c in found if fullness(c.needs, board)[0] <= 1]
    if not fitting:
        least = min(found, key=lambda c: fullness(c.needs, board)[0])
        _, name = fullness(least.needs, board)
        return Choice(
            least.program,
            f"Chose {least.shape}, the smallest array for this network, although it may not fit: "
            f"estimated at {getattr(least.needs, name):,g} {name} of {board.available[name]:,}.",
        )
    fastest = min(c.cycles for c in fitting)
    limit = (1 + WORTHWHILE) * fastest if target is None else max(target, fastest)
    near = [c for c in fitting if c.cycles <= limit]
    smallest = min(c.needs.lut for c in near)
    # What the estimate cannot tell apart is decided by the cycles, which are exact.
    alike = [c for c in near if c.needs.lut <= (1 + TOLERANCE) * smallest]
    best = min(alike, key=lambda c: c.cycles)
    share = best.needs.lut / board.available["lut"]
    reason = (
        f"Chose {best.shape}: an estimated {best.needs.lut:,} of {board.available['lut']:,} LUTs "
        f"({share:.0%}, limit {board.lut_limit:.0%}) and {best.cycles:,} cycles an image"
    )
    what_next = _what_next(best, found, board)
    if target is not None and fastest <= target:
        what_next = f"none that is smaller does with the {target:,} cycles asked for"
    return Choice(best.program, f"{reason}; {what_next}.")


def _what_next(best: Candidate, found: list[Candidate], board: Board) -> str:
    """Why nothing larger was taken."""
    faster = [c for c in found if c.cycles < (1 - WORTHWHILE) * best.cycles]
    if not faster:
        return f"no larger array would save {WORTHWHILE:.0%} of the cycles"
    nearest = min(faster, key=lambda c: fullness(c.needs, board)[0])
    _, name = fullness(nearest.needs, board)
    return (
        f"the next faster, {nearest.shape}, would take {getattr(nearest.needs, name):,g} {name} "
        f"of {board.available[name]:,}, beyond the limit of {margins(board)[name]:.0%}"
    )
