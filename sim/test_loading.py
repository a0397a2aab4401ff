"""Networks in engines that were built for others: what fits runs exactly, the rest is refused."""

import random
from dataclasses import replace

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

from hw.compiler import compile_network
from hw.engine import Engine
from hw.engine_program import Program
from hw.link import keeper, protocol
from hw.link.identity import describe, design_id, network_id
from hw.link.payloads import Answer, Checked, Info
from hw.link.protocol import Packet
from hw.link.read_back import read_cycles
from hw.loading.guest import compile_for, made_loadable
from hw.loading.slots import Slot, board_slots, check_sum
from hw.top import BoardCore
from model import bits, golden
from model.errors import UserError
from model.format import Network
from sim.compiled.contents import without_contents
from sim.synthetic import random_case, random_codebook, random_images, random_network
from sim.test_top import BAUD, CLOCK_HZ, converse, image_request, request
from sim.verify import verify

CLASSES = 3


def network_of(seed: int, **changes) -> Network:
    """Of a common shape, with the same thresholds of the encoder whatever the seed."""
    shape = {"image": (1, 5, 5), "levels": 2, "channels": (3, 4, 6), "classes": CLASSES}
    shape |= {"pools": ("none", "max2", "none")} | changes
    made = random_network(seed, **shape)
    thresholds = np.tile(np.array([80, 160][: shape["levels"]], np.uint8), (shape["image"][0], 1))
    return replace(made, input_thresholds=thresholds)


def circuit_of(network: Network, array: str = "shared", **shape) -> Program:
    shape = {"pixels": 10, "channels": 2} | shape
    return made_loadable(compile_network(network, array=array, **shape))


def circuit_text(program: Program) -> str:
    return rtlil.convert(Engine(without_contents(program)), emit_src=False)


@pytest.mark.parametrize("array", ["direct", "shared"])
def test_two_networks_on_one_circuit(array, seed):
    """Exact in every tensor and cycle, each with its own layers, on the very same circuit."""
    circuit = circuit_of(network_of(seed), array)
    guests = [
        network_of(seed + 1),
        network_of(seed + 2, channels=(2, 4), pools=("max2", "none"), tau=4),
    ]
    text = circuit_text(circuit)
    for network in (circuit.network, *guests):
        program = compile_for(network, circuit)
        assert circuit_text(program) == text
        verdict = verify(program, random_images(seed, network, 2))
        assert verdict.problem is None
        assert design_id(program) == design_id(circuit)


def retrained(network: Network, rng: np.random.Generator) -> Network:
    """Other weights in the same layers, and some of them narrower."""
    layers, kept = [], np.arange(network.convs[0].c_in)
    for place, conv in enumerate(network.convs):
        outputs = conv.c_out if rng.random() < 0.5 else int(rng.integers(1, conv.c_out + 1))
        layers.append(
            replace(
                conv,
                codebook=random_codebook(rng, conv.tau, conv.antipodal),
                indices=rng.integers(0, 1 << conv.tau, (outputs, len(kept))).astype(np.uint16),
                thresholds=rng.permutation(conv.thresholds)[:outputs],
                flips=rng.permutation(conv.flips)[:outputs],
            )
        )
        limit = bits.TAPS * len(kept)
        layers[place] = replace(
            layers[place], thresholds=np.clip(layers[place].thresholds, -limit, limit + 1)
        )
        kept = np.arange(outputs)
    head = network.head
    weight = rng.integers(-128, 128, (head.classes, len(kept))).astype(np.int8)
    head = replace(head, channels=len(kept), weight=weight)
    return replace(network, layers=(*layers, head))


def test_what_is_not_refused_runs_on_the_circuit(seed):
    """Random networks, retrained and narrowed: if they are accepted, the circuit is the same one;
    and every one of them is accepted whose layers are as wide as before."""
    rng = np.random.default_rng(seed)
    taken = 0
    for number in range(6):
        case = random_case(seed + number, work=4_000)
        circuit = made_loadable(compile_network(case.network, **case.shape))
        guest = retrained(case.network, rng)
        try:
            program = compile_for(guest, circuit)
        except UserError as error:
            assert str(error).count("\n") == 0
            pairs = zip(guest.convs, case.network.convs, strict=True)
            assert any(narrow.c_out < wide.c_out for narrow, wide in pairs)
            continue
        taken += 1
        assert circuit_text(program) == circuit_text(circuit)
        if taken <= 2:
            assert verify(program, case.images[:1]).problem is None
    assert taken >= 3


REFUSED = {
    "image": ({"image": (1, 4, 5)}, r"its image is \(1, 4, 5\), the engine's \(1, 5, 5\)"),
    "planes": ({"levels": 1}, "number of planes is 1, the engine's 2"),
    "classes": ({"classes": 4}, "number of classes is 4, the engine's 3"),
    "tau": ({"tau": 6}, r"layer conv1 has indices of 6 bits \(tau\), the engine's have 5"),
    "antipodal": ({"antipodal": False}, "layer conv1 has a codebook that is not antipodal"),
    "layers": ({"channels": (2, 2, 2, 2), "pools": ("none", "max2", "none", "none")}, "codewords"),
    "depth": ({"channels": (3, 40, 6)}, "needs activation_words|needs index_words"),
    "head": ({"channels": (3, 4, 7)}, "its head takes 7 channels, the engine's 6"),
    "stride": (
        {"strides": (2, 1, 1), "pools": ("none", "none", "none"), "image": (1, 5, 5)},
        "last map|at stride 2",
    ),
    "pools": ({"pools": ("none", "none", "none")}, "last map"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_named(what, seed):
    changes, message = REFUSED[what]
    with pytest.raises(UserError, match=message) as caught:
        compile_for(network_of(seed, **changes), circuit_of(network_of(seed)))
    assert "\n" not in str(caught.value)


def test_other_thresholds_and_lanes_are_refused(seed):
    circuit = circuit_of(network_of(seed))
    other = replace(network_of(seed), input_thresholds=np.array([[1, 2]], np.uint8))
    with pytest.raises(UserError, match="other thresholds for the pixels"):
        compile_for(other, circuit)
    pooled = circuit_of(network_of(seed, pools=("max2", "none", "none")))
    with pytest.raises(UserError, match="layer conv1 has a map 5 wide at stride 1, the engine"):
        compile_for(network_of(seed, pools=("none", "max2", "none")),
                    replace(pooled, geometries=pooled.geometries[:1]))  # fmt: skip
    with pytest.raises(UserError, match="index port"):
        made_loadable(compile_network(network_of(seed), pixels=10, channels=2, index_port=8))


def load_line(program: Program, first: int) -> list[bytes]:
    """All requests of a load but the last, numbered from ``first``; host's code apart."""
    requests = []
    for number, slot in enumerate(board_slots(program, describe(program, CLOCK_HZ))):
        step = 100 // slot.word_bytes
        for at in range(0, slot.depth, step):
            payload = bytes([number]) + at.to_bytes(3, "little") + slot.packed(at, step)
            packet = Packet(protocol.LOAD, first + len(requests), payload)
            requests.append(protocol.encode_request(packet))
    return requests


def test_a_board_is_loaded_over_its_line(seed):
    """Before, in between and after: the first network, none, the second one."""
    circuit = circuit_of(network_of(seed, channels=(3, 4), pools=("none", "max2")), pixels=5)
    network = network_of(seed + 1, channels=(2, 3), pools=("none", "max2"))
    program = compile_for(network, circuit)
    image = random_images(seed, network, 3)[2]
    core = BoardCore(Engine(circuit), clock_hz=CLOCK_HZ, baud=BAUD)
    info = describe(program, CLOCK_HZ)
    expected = check_sum(board_slots(program, info))
    load = load_line(program, 10)
    random.Random(seed).shuffle(load)

    def check(value: int, sequence: int) -> bytes:
        payload = value.to_bytes(protocol.CHECK_BYTES, "little")
        return protocol.encode_request(Packet(protocol.CHECK, sequence, payload))

    line = [
        request(protocol.INFO), image_request(image, 1), *load,
        image_request(image, 2), request(protocol.INFO, 3), check(expected ^ 1, 4),
        image_request(image, 5), check(expected, 6), image_request(image, 7),
        request(protocol.INFO, 8),
    ]  # fmt: skip
    received = converse(core, line, len(line))
    by_number = {packet.sequence: packet for packet in received}
    assert Info.unpack(by_number[0].payload) == describe(circuit, CLOCK_HZ)
    none = Info.unpack(by_number[3].payload)
    assert (none.has_network, none.design, none.classes) == (False, info.design, CLASSES)
    no_network = Packet(protocol.ERROR, 2, bytes([protocol.IMAGE, protocol.NO_NETWORK, 0, 0]))
    assert by_number[2] == no_network
    assert by_number[5] == replace(no_network, sequence=5)
    assert Checked.unpack(by_number[4].payload) == Checked(expected, False)
    assert Checked.unpack(by_number[6].payload) == Checked(expected, True)
    assert Info.unpack(by_number[8].payload) == info
    assert info.network == network_id(network)
    for number, shown in ((1, circuit), (7, program)):
        trace = golden.trace(shown.network, image[None])
        scores = tuple(trace.scores[0].tolist())
        cycles = describe(shown, CLOCK_HZ).cycles
        answer = Answer.unpack(by_number[number].payload, CLASSES)
        assert answer == Answer(cycles, int(trace.classes[0]), scores)


def test_contents_that_did_not_arrive_with_the_bitstream(seed, monkeypatch):
    """A board whose memories hold something else than it was built with says it has no network."""
    monkeypatch.setattr(keeper, "check_sum", lambda slots: check_sum(slots) ^ 1)
    circuit = circuit_of(network_of(seed, channels=(3,), pools=("none",)), pixels=5)
    core = BoardCore(Engine(circuit), clock_hz=CLOCK_HZ, baud=BAUD)
    line = [request(protocol.INFO, 1), image_request(np.zeros((1, 5, 5), np.uint8), 2)]
    info, refusal = converse(core, line, 2)
    assert not Info.unpack(info.payload).has_network
    assert refusal.payload[1] == protocol.NO_NETWORK


def test_no_reset_makes_or_takes_a_network():
    """Resets in the first check, after it, and in a load."""
    slots = (Slot("one", 8, (0, 0)), Slot("two", 9, (0, 0, 0)))  # what the testbench gives: zeros
    dut = keeper.NetworkKeeper(slots)
    reset = Signal()
    patience = read_cycles(slots) + 5

    async def pulse(ctx):
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)

    async def testbench(ctx):
        await ctx.tick().repeat(20)
        await pulse(ctx)
        assert not ctx.get(dut.loaded)
        await ctx.tick().repeat(patience)
        assert ctx.get(dut.ready & dut.loaded)
        await pulse(ctx)
        await ctx.tick().repeat(patience)
        assert ctx.get(dut.ready & dut.loaded)
        ctx.set(dut.request, protocol.LOAD)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await pulse(ctx)
        await ctx.tick().repeat(patience)
        assert not ctx.get(dut.loaded)

    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
