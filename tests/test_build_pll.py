"""PLL settings: exact, legal, and refused with the nearest clock where there are none."""

import random
from fractions import Fraction

import pytest

from hw.boards import BOARDS
from hw.flow.pll import ECP5_PLL, XC7_PLL, find_settings

# Data sheet limits, written down again: FPGA-DS-02012 (ECP5) and DS181 speed grade -1 (Artix-7).
LIMITS = {
    "EHXPLLL": {"detector": (3.125, 400), "oscillator": (400, 800), "output": (3.125, 400)},
    "PLLE2_BASE": {"detector": (19, 450), "oscillator": (800, 1600), "output": (6.25, 464)},
}


def reach(settings):
    """Frequencies from the dividers alone: (phase detector, oscillator, output)."""
    detector = Fraction(settings.input_mhz) / settings.input_divider
    if settings.family.name == "EHXPLLL":
        output = detector * settings.feedback
        return detector, output * settings.output_divider, output
    oscillator = detector * settings.feedback
    return detector, oscillator, oscillator / settings.output_divider


def random_clock(rng, family, source):
    """A clock that certainly can be had: made from random legal dividers."""
    detector = Fraction(source, rng.randrange(1, 6))
    if family is ECP5_PLL:
        return detector * rng.randrange(1, 400 // int(detector))
    oscillator = detector * rng.randrange(1, 64)
    while not 800 <= oscillator <= 1600:
        oscillator = detector * rng.randrange(1, 64)
    return oscillator / rng.randrange(4, 128)


@pytest.mark.parametrize(("family", "source"), [(ECP5_PLL, 25), (XC7_PLL, 100)])
def test_settings_are_exact_and_legal(family, source, seed):
    rng = random.Random(seed)
    clocks = [50, 60, 62.5, 100] + [random_clock(rng, family, source) for _ in range(6)]
    limits = LIMITS[family.name]
    for clock in clocks:
        settings = find_settings(family, source, Fraction(clock))
        detector, oscillator, output = reach(settings)
        assert output == Fraction(clock) == settings.output_mhz
        assert (detector, oscillator) == (settings.phase_detector_mhz, settings.oscillator_mhz)
        for value, name in ((detector, "detector"), (oscillator, "oscillator"), (output, "output")):
            low, high = limits[name]
            assert low <= value <= high, (clock, name)
        high = 128 if family is ECP5_PLL else 56
        assert 1 <= settings.input_divider <= high
        assert 1 <= settings.feedback <= 128
        assert 1 <= settings.output_divider <= 128


@pytest.mark.parametrize(
    ("clock", "expected"), [(50, (1, 2, 12)), (60, (5, 12, 10)), (75, (1, 3, 8)), (100, (1, 4, 6))]
)
def test_ecp5_settings_are_those_of_ecppll(clock, expected):
    """What Project Trellis's `ecppll -i 25 -o CLOCK` prints."""
    found = find_settings(ECP5_PLL, 25, clock)
    assert (found.input_divider, found.feedback, found.output_divider) == expected


@pytest.mark.parametrize("clock", ["33.3333", "401", "3", "499"])
def test_impossible_clock_names_the_nearest(clock):
    with pytest.raises(ValueError, match=r"cannot make .* MHz from 25 MHz; the nearest is .* MHz"):
        find_settings(ECP5_PLL, 25, Fraction(clock))


def test_nearest_clocks_can_be_had():
    with pytest.raises(ValueError) as caught:
        find_settings(ECP5_PLL, 25, Fraction("33.1"))
    words = str(caught.value).split("nearest is ")[1].split()
    below, above = float(words[0]), float(words[3])
    assert below < 33.1 < above
    for clock in (below, above):  # printed with six digits
        nearest = Fraction(clock).limit_denominator(128)
        made = find_settings(ECP5_PLL, 25, nearest).output_mhz
        assert float(made) == pytest.approx(clock, abs=1e-3)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_oscillator_itself_needs_no_pll(board):
    assert board.pll_settings(Fraction(board.oscillator_mhz)) is None
    settings = board.pll_settings(Fraction(board.oscillator_mhz * 3, 2))
    assert settings.output_mhz == Fraction(board.oscillator_mhz * 3, 2)
