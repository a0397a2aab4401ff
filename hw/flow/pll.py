"""PLL settings: the dividers that make exactly the clock that was asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = [
    "ECP5_PLL", "GATEMATE_PLL", "GW1NR_PLL", "ICE40_PLL", "XC7_PLL", "PllFamily", "PllSettings",
    "find_settings", "outputs",
]  # fmt: skip


@dataclass(frozen=True)
class PllFamily:
    """What a family's PLL can do; frequencies in MHz, ranges with both ends.

    ``output_feedback``: the loop closes behind the output divider (EHXPLLL with FEEDBK_PATH
    "CLKOP"), so the feedback divider multiplies the output, not the oscillator.
    """

    name: str
    input_divider: tuple[int, int]
    feedback: tuple[int, int]
    output_dividers: Sequence[int]
    phase_detector: tuple[Fraction, Fraction]
    oscillator: tuple[int, int]
    output: tuple[Fraction, Fraction]
    output_feedback: bool


# Lattice FPGA-DS-02012 (ECP5), sysCLOCK PLL timing.
ECP5_PLL = PllFamily(
    name="EHXPLLL",
    input_divider=(1, 128),
    feedback=(1, 128),
    output_dividers=range(1, 129),
    phase_detector=(Fraction(25, 8), Fraction(400)),
    oscillator=(400, 800),
    output=(Fraction(25, 8), Fraction(400)),
    output_feedback=True,
)

# AMD DS181 (Artix-7), speed grade -1; divider ranges of PLLE2_BASE from UG472.
XC7_PLL = PllFamily(
    name="PLLE2_BASE",
    input_divider=(1, 56),
    feedback=(2, 64),
    output_dividers=range(1, 129),
    phase_detector=(Fraction(19), Fraction(450)),
    oscillator=(800, 1600),
    output=(Fraction(25, 4), Fraction(464)),
    output_feedback=False,
)

# Lattice FPGA-DS-02008 (iCE40 UltraPlus), sysCLOCK PLL timing; dividers as Project IceStorm's
# icepll takes them: 2**DIVQ with DIVQ 1 to 6 behind the oscillator, which closes the loop.
ICE40_PLL = PllFamily(
    name="SB_PLL40_PAD",
    input_divider=(1, 16),
    feedback=(1, 128),
    output_dividers=(2, 4, 8, 16, 32, 64),
    phase_detector=(Fraction(10), Fraction(133)),
    oscillator=(533, 1066),
    output=(Fraction(16), Fraction(275)),
    output_feedback=False,
)

# Gowin DS117 (GW1NR-9, C6/I5), as Apicula's gowin_pll takes it.
GW1NR_PLL = PllFamily(
    name="rPLL",
    input_divider=(1, 64),
    feedback=(1, 64),
    output_dividers=(2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128),
    phase_detector=(Fraction(3), Fraction(400)),
    oscillator=(400, 1200),
    output=(Fraction(25, 8), Fraction(600)),
    output_feedback=True,
)

# As nextpnr chooses it (himbaechel/uarch/gatemate/pll.cc) in the modes SPEED and low jitter: its
# DCO is twice the oscillator here, 1,250 to 2,500 MHz; behind it come a 2 and 1 or an even number.
GATEMATE_PLL = PllFamily(
    name="CC_PLL",
    input_divider=(1, 1),
    feedback=(1, 256),
    output_dividers=(2, *range(4, 257, 4)),
    phase_detector=(Fraction(5), Fraction(50)),
    oscillator=(630, 1250),
    output=(Fraction(5), Fraction(416)),
    output_feedback=False,
)


@dataclass(frozen=True)
class PllSettings:
    """Dividers of one PLL, and the frequencies in MHz that they make of ``input_mhz``."""

    family: PllFamily
    input_mhz: Fraction
    input_divider: int
    feedback: int
    output_divider: int

    @property
    def phase_detector_mhz(self) -> Fraction:
        return self.input_mhz / self.input_divider

    @property
    def oscillator_mhz(self) -> Fraction:
        loop = self.output_divider if self.family.output_feedback else 1
        return self.phase_detector_mhz * self.feedback * loop

    @property
    def output_mhz(self) -> Fraction:
        return self.oscillator_mhz / self.output_divider


def _within(value: Fraction | int, limits: tuple) -> bool:
    return limits[0] <= value <= limits[1]


def _legal(family: PllFamily, input_mhz: Fraction) -> Iterator[PllSettings]:
    """All settings that keep every frequency in its range."""
    low, high = family.oscillator
    for input_divider in range(family.input_divider[0], family.input_divider[1] + 1):
        detector = input_mhz / input_divider
        if not _within(detector, family.phase_detector):
            continue
        for feedback in range(family.feedback[0], family.feedback[1] + 1):
            multiplied = detector * feedback
            if not family.output_feedback and not _within(multiplied, family.oscillator):
                continue
            if family.output_feedback and not _within(multiplied, family.output):
                continue
            for output_divider in family.output_dividers:
                if family.output_feedback:
                    oscillator, output = multiplied * output_divider, multiplied
                else:
                    oscillator, output = multiplied, multiplied / output_divider
                if low <= oscillator <= high and _within(output, family.output):
                    yield PllSettings(family, input_mhz, input_divider, feedback, output_divider)


def outputs(family: PllFamily, input_mhz: Fraction | int) -> list[Fraction]:
    """All clocks, in MHz, that the PLL can make of an oscillator's, the lowest first."""
    return sorted({settings.output_mhz for settings in _legal(family, Fraction(input_mhz))})


def find_settings(
    family: PllFamily, input_mhz: Fraction | int, output_mhz: Fraction | int
) -> PllSettings:
    """The settings that make exactly ``output_mhz``.

    Of several, those with the fastest phase detector (least jitter), then the oscillator nearest
    the middle of its range. Raises ValueError that names the nearest clocks that can be had.
    """
    input_mhz, output_mhz = Fraction(input_mhz), Fraction(output_mhz)
    legal = list(_legal(family, input_mhz))
    exact = [settings for settings in legal if settings.output_mhz == output_mhz]
    if not exact:
        outputs = sorted({settings.output_mhz for settings in legal})
        below = [value for value in outputs if value < output_mhz][-1:]
        above = [value for value in outputs if value > output_mhz][:1]
        nearest = " or ".join(f"{float(value):.6g} MHz" for value in below + above)
        raise ValueError(
            f"{family.name} cannot make {float(output_mhz):g} MHz from {float(input_mhz):g} MHz; "
            f"the nearest is {nearest}"
        )
    middle = Fraction(sum(family.oscillator), 2)
    return min(exact, key=lambda s: (s.input_divider, abs(s.oscillator_mhz - middle)))
