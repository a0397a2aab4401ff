"""The serial line: every byte arrives, and what is broken on the line is dropped and told."""

import gc
import random
import warnings
from itertools import pairwise

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from hw.uart import UartReceiver, UartTransmitter, bit_cycles
from sim.serial_line import receive_bytes, send_byte, send_bytes


def simulate(component, *testbenches, background=()):
    simulator = Simulator(component)
    simulator.add_clock(1e-8)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in background:
        simulator.add_testbench(testbench, background=True)
    simulator.run()


class Receiver:
    """A receiver with its bytes collected and its errors counted."""

    def __init__(self, divisor):
        self.dut = UartReceiver(divisor)
        self.bytes = bytearray()
        self.framing_errors = 0
        self.overflows = 0
        self.ready = lambda: 1

    async def collect(self, ctx):
        dut = self.dut
        signals = (dut.o.valid, dut.o.ready, dut.o.payload, dut.framing_error, dut.overflow)
        ctx.set(dut.o.ready, self.ready())
        async for _, _, valid, ready, payload, framing_error, overflow in ctx.tick().sample(
            *signals
        ):
            if valid and ready:
                self.bytes.append(payload)
            self.framing_errors += framing_error
            self.overflows += overflow
            ctx.set(dut.o.ready, self.ready())


@pytest.mark.parametrize("divisor", [4, 5, 8, 50])
def test_receiver_takes_every_byte(seed, divisor):
    rng = random.Random(f"{seed} {divisor}")
    sent = bytes([0x00, 0xFF, 0x55, 0xAA]) + rng.randbytes(12)
    gaps = [rng.choice([0, 0, 1, rng.randrange(3 * divisor)]) for _ in sent]
    receiver = Receiver(divisor)

    async def host(ctx):
        await ctx.tick().repeat(3)
        await send_bytes(ctx, receiver.dut.rx, sent, divisor, gaps)
        await ctx.tick().repeat(2 * divisor)

    simulate(receiver.dut, host, background=[receiver.collect])
    assert receiver.bytes == sent
    assert (receiver.framing_errors, receiver.overflows) == (0, 0)


@pytest.mark.parametrize("rate", [0.96, 0.98, 1.02, 1.04])
def test_receiver_bears_a_host_clock_that_is_off(rate):
    divisor = 50
    sent = bytes([0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80])
    receiver = Receiver(divisor)

    async def host(ctx):
        await ctx.tick()
        await send_bytes(ctx, receiver.dut.rx, sent, divisor * rate)
        await ctx.tick().repeat(2 * divisor)

    simulate(receiver.dut, host, background=[receiver.collect])
    assert receiver.bytes == sent
    assert receiver.framing_errors == 0


def test_byte_without_stop_bit_is_dropped_and_told():
    divisor = 8
    receiver = Receiver(divisor)

    async def host(ctx):
        await send_byte(ctx, receiver.dut.rx, 0x12, divisor)
        await send_byte(ctx, receiver.dut.rx, 0x34, divisor, stop=0)
        ctx.set(receiver.dut.rx, 0)  # The line stays low: a break, not more bytes.
        await ctx.tick().repeat(25 * divisor)
        ctx.set(receiver.dut.rx, 1)
        await ctx.tick().repeat(divisor)
        await send_byte(ctx, receiver.dut.rx, 0x56, divisor)
        await ctx.tick().repeat(2 * divisor)

    simulate(receiver.dut, host, background=[receiver.collect])
    assert receiver.bytes == bytes([0x12, 0x56])
    assert receiver.framing_errors == 1


def test_glitch_is_no_start_bit():
    divisor = 16
    receiver = Receiver(divisor)

    async def host(ctx):
        await ctx.tick().repeat(3)
        ctx.set(receiver.dut.rx, 0)
        await ctx.tick().repeat(3)
        ctx.set(receiver.dut.rx, 1)
        await ctx.tick().repeat(divisor)
        await send_byte(ctx, receiver.dut.rx, 0xA5, divisor)
        await ctx.tick().repeat(2 * divisor)

    simulate(receiver.dut, host, background=[receiver.collect])
    assert receiver.bytes == bytes([0xA5])
    assert receiver.framing_errors == 0


def test_byte_that_nobody_takes_holds_and_the_next_is_dropped_and_told():
    divisor = 4
    receiver = Receiver(divisor)
    taking = [0]
    receiver.ready = lambda: taking[0]

    async def host(ctx):
        await send_bytes(ctx, receiver.dut.rx, bytes([0x11, 0x22]), divisor)
        await ctx.tick().repeat(3 * divisor)
        taking[0] = 1
        await ctx.tick().repeat(3)
        await send_byte(ctx, receiver.dut.rx, 0x33, divisor)
        await ctx.tick().repeat(3 * divisor)

    simulate(receiver.dut, host, background=[receiver.collect])
    assert receiver.bytes == bytes([0x11, 0x33])
    assert receiver.overflows == 1


@pytest.mark.parametrize("divisor", [4, 7, 50])
def test_transmitter_sends_every_byte(seed, divisor):
    rng = random.Random(f"{seed} {divisor}")
    sent = bytes([0x00, 0xFF, 0x55]) + rng.randbytes(9)
    dut = UartTransmitter(divisor)
    received = []

    async def give(ctx):
        for byte in sent:
            await ctx.tick().repeat(rng.choice([1, 1, rng.randrange(1, 5 * divisor)]))
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def host(ctx):
        received.append(await receive_bytes(ctx, dut.tx, len(sent), divisor, patience=99 * divisor))

    simulate(dut, give, host)
    assert received == [sent]


def test_transmitter_takes_a_byte_every_ten_bits():
    divisor = 6
    dut = UartTransmitter(divisor)
    taken = []

    async def give(ctx):
        ctx.set(dut.i.valid, 1)
        cycle = 0
        while len(taken) < 4:
            if ctx.get(dut.i.ready):
                taken.append(cycle)
            await ctx.tick()
            cycle += 1

    simulate(dut, give)
    assert [b - a for a, b in pairwise(taken)] == [10 * divisor + 1] * 3


def test_both_ends_together(seed):
    sent = random.Random(seed).randbytes(20)

    class Loop(wiring.Component):
        rx: In(1, init=1)

        def elaborate(self, platform):
            m = Module()
            m.submodules.receiver = receiver = UartReceiver(5)
            m.submodules.transmitter = self.transmitter
            wiring.connect(m, receiver.o, self.transmitter.i)
            m.d.comb += receiver.rx.eq(self.rx)
            return m

        def __init__(self):
            self.transmitter = UartTransmitter(5)
            super().__init__()

    loop = Loop()
    received = []

    async def give(ctx):
        # One cycle between bytes: the transmitter takes a byte every 10 bits and a cycle.
        await send_bytes(ctx, loop.rx, sent, 5, [1] * len(sent))

    async def host(ctx):
        received.append(await receive_bytes(ctx, loop.transmitter.tx, len(sent), 5, patience=500))

    simulate(loop, give, host)
    assert received == [sent]


def test_bit_cycles():
    assert bit_cycles(100e6, 1_000_000) == 100
    assert bit_cycles(50e6, 115_200) == 434
    with pytest.raises(ValueError, match="at most 12500000"):
        bit_cycles(50e6, 25e6)
    with pytest.raises(ValueError, match=r"within 2%.*nearest is 10000000"):
        bit_cycles(50e6, 9.4e6)
    with pytest.raises(ValueError, match="positive"):
        bit_cycles(50e6, 0)


@pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
def test_divisor_too_small_is_refused(component):
    with warnings.catch_warnings():
        # Amaranth minds that a component whose constructor failed was never used.
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="at least 4"):
            component(3)
        gc.collect()
