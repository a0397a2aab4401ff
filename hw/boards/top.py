"""The top of a board's design: the same core on every board, its pins, its clock."""

from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io

from hw.boards.board import Board
from hw.flow.pll import PllSettings
from hw.top import BoardCore

__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """Joins a core to a board: serial pins, three LEDs (image, busy, fault), domain sync."""

    def __init__(self, board: Board, core: BoardCore, settings: PllSettings | None):
        self._board = board
        self._core = core
        self._settings = settings

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.clocking = self._board.clocking(self._settings)
        m.submodules.core = core = self._core

        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx_pin = rx_pin = io.Buffer("i", uart.rx)
        m.submodules.tx_pin = tx_pin = io.Buffer("o", uart.tx)
        m.d.comb += [core.rx.eq(rx_pin.i), tx_pin.o.eq(core.tx)]

        # Of these, as many as there are LEDs.
        lights = (core.status.image, core.status.busy, core.status.fault)
        for number, light in enumerate(lights):
            if ("led", number) not in platform.resources:
                break
            led = io.Buffer("o", platform.request("led", number, dir="-"))
            m.submodules[f"led_pin_{number}"] = led
            m.d.comb += led.o.eq(light)
        return m
