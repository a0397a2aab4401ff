"""The row form of windows and kernels: parities and carries make up the agreements."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array.rows import CARRIES, ROW_FORM_BITS, agreement_carries, row_form
from hw.params import KERNEL_BITS
from sim.test_array_passes import Stimulus, number


class Channel(wiring.Component):
    """Agreements in all lanes, of their windows and one kernel; out a cycle later."""

    def __init__(self, lanes: int):
        self.lanes = lanes
        super().__init__(
            {
                "windows": In(KERNEL_BITS * lanes),
                "flips": In(KERNEL_BITS),
                "parities": Out(lanes),
                "carries": Out(CARRIES * lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        planes = [self.windows.word_select(tap, self.lanes) for tap in range(KERNEL_BITS)]
        forms = Signal(ROW_FORM_BITS * self.lanes)
        flips = row_form(list(self.flips))
        window = [forms.word_select(place, self.lanes) for place in range(ROW_FORM_BITS)]
        m.d.comb += forms.eq(Cat(row_form(planes)))
        m.d.sync += [
            self.parities.eq(window[-1] ^ flips[-1].replicate(self.lanes)),
            self.carries.eq(Cat(agreement_carries(window, flips))),
        ]
        return m


@pytest.mark.parametrize("flips", [0, 0b111111111, 0b101001110, 0b000000111, 0b100010001])
def test_every_window_counts_its_agreements(flips: int):
    """All 512 windows, one a lane; a tap agrees where it differs from the flip, ~kernel."""
    windows = np.arange(1 << KERNEL_BITS)
    taps = (windows >> np.arange(KERNEL_BITS)[:, None]) & 1
    agreements = (taps ^ ((flips >> np.arange(KERNEL_BITS)[:, None]) & 1)).sum(axis=0)
    dut = Channel(len(windows))
    stimulus = Stimulus(dut)
    stimulus.set(0, (dut.windows, number(taps)), (dut.flips, flips))
    stimulus.expect(1, "parities", dut.parities, number(agreements & 1))
    found = []
    stimulus.watch(dut.carries, [1], lambda _, value: found.append(value))
    stimulus.run()
    raw = found[0].to_bytes(CARRIES * len(windows) // 8, "little")
    carries = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
    assert np.array_equal(carries.reshape(CARRIES, -1).sum(axis=0), agreements >> 1)
