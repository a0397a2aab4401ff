"""What was simulated, as a report states it."""

from dataclasses import dataclass

__all__ = ["DEFAULT_CLOCK", "Setup"]

# MHz; the boards' own, see hw.boards.
DEFAULT_CLOCK = 100.0


@dataclass(frozen=True)
class Setup:
    """The names and sizes a report states and a reader needs to repeat the run.

    ``engine`` is what simulated ("python" or "compiled"), ``clock_mhz`` the accelerator's clock
    that times and rates are given for; ``index_port`` bits a cycle and ``index_buffer`` words of
    the port that indices come through, None where they are on chip.
    """

    model: str
    dataset: str
    array: str
    pixels: int
    channels: int
    fill: int
    first_image: int
    seed: int
    stalls: bool
    command: str
    engine: str = "python"
    clock_mhz: float = DEFAULT_CLOCK
    index_port: int | None = None
    index_buffer: int | None = None
