"""What the build has to know about a board; the table of boards is in `hw.boards`."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from amaranth.build import Platform
from amaranth.hdl import Elaboratable

from hw.flow.pll import PllFamily, PllSettings, find_settings

__all__ = ["Board"]


@dataclass(frozen=True)
class Board:
    """A board, the part on it, and how to clock it.

    Parameters
    ----------
    name, title : as on the command line, as in a sentence.
    part : the part's full name. family : "xc7" or "ecp5".
    oscillator_mhz : the board's clock. default_clock_mhz : the design's, where nobody asks.
    available : what the part has, keyed as the resources of a report.
    lut_limit : share of the LUTs that an automatically chosen design may be estimated at.
    router_options : names the part to nextpnr; none where the build ends at the netlist.
    pll : the part's PLL.
    platform : makes the Amaranth platform: pins and constraint file.
    clocking : drives domain sync on the platform, from the PLL's settings (None: without a PLL).
    array : the array where nobody asks for one and the network does not demand one.
    """

    name: str
    title: str
    part: str
    family: str
    oscillator_mhz: int
    default_clock_mhz: int
    available: dict[str, int]
    lut_limit: float
    router_options: tuple[str, ...]
    pll: PllFamily
    platform: Callable[[], Platform]
    clocking: Callable[[PllSettings | None], Elaboratable]
    array: str = "shared"

    def pll_settings(self, clock_mhz: Fraction) -> PllSettings | None:
        """How to make the clock: None where the oscillator is that clock.

        Raises ValueError where the PLL cannot make it exactly.
        """
        if clock_mhz == self.oscillator_mhz:
            return None
        return find_settings(self.pll, self.oscillator_mhz, clock_mhz)
