"""The link's parts: packets and frames against independent references, each component's RTL."""

import gc
import random
import zlib

import pytest
from amaranth.sim import Simulator

from hw.link import buffer, payloads, protocol
from hw.link.buffer import PacketBuffer
from hw.link.cobs import CobsDecoder, CobsEncoder
from hw.link.crc import SerialCrc
from hw.link.protocol import Packet, PacketError

# Runs without a zero about the length of a full block, zeros alone, and what is between.
UGLY = [
    b"", b"\0", b"\0\0\0", b"\1", b"\xff" * 3,
    *(bytes([7]) * n for n in (253, 254, 255, 508, 509)),
    *(bytes([7]) * n + b"\0" for n in (253, 254, 255)),
    b"\0" + bytes([9]) * 254 + b"\0\0" + bytes([9]) * 300,
]  # fmt: skip


def texts_of(seed: int, count: int) -> list[bytes]:
    rng = random.Random(seed)
    return UGLY + [
        bytes(rng.choices([0, 1, 255, rng.randrange(256)], k=rng.randrange(700)))
        for _ in range(count)
    ]


def cobs_reference(data: bytes) -> bytes:
    """COBS byte by byte, as its paper says it."""
    out, code_at, code = bytearray(b"\0"), 0, 1
    for byte in data:
        if byte:
            out.append(byte)
            code += 1
        if not byte or code == 255:
            out[code_at] = code
            code_at, code = len(out), 1
            out.append(0)
    out[code_at] = code
    return bytes(out)


def simulate(dut, *testbenches) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


def test_requests_are_cobs_between_zeros(seed):
    for payload in texts_of(seed, 50):
        packet = Packet(protocol.IMAGE, 0x01020004, payload)
        frame = protocol.encode_request(packet)
        assert (frame[0], frame[-1], frame.count(0)) == (0, 0, 2)
        assert frame[1:-1] == cobs_reference(packet.pack())
        assert len(frame) <= protocol.frame_bytes(len(payload))
        assert protocol.decode_request(frame[1:-1]) == packet


def test_replies_come_back(seed):
    for payload in texts_of(seed, 50):
        packet = Packet(protocol.IMAGE | protocol.REPLY, 0xFF00FF01, payload)
        frame = protocol.encode_reply(packet)
        assert (frame[-1], frame.count(0)) == (0, 1)
        assert protocol.decode_reply(frame[:-1]) == packet


def test_what_is_no_packet_is_refused(seed):
    """Any one byte changed, lost or inserted, and noise."""
    rng = random.Random(seed)
    for decode, frame in (
        (protocol.decode_request, protocol.encode_request(Packet(2, 9, bytes(range(40))))[1:-1]),
        (protocol.decode_reply, protocol.encode_reply(Packet(130, 9, bytes(range(40))))[:-1]),
    ):
        for place in range(len(frame)):
            changed = bytes([frame[place] ^ 1 << rng.randrange(8)])
            inserted = rng.randbytes(1)
            for bad in (
                frame[:place] + changed + frame[place + 1 :],
                frame[:place] + frame[place + 1 :],
                frame[:place] + inserted + frame[place:],
                frame[:place],
                rng.randbytes(place),
            ):
                if bad == frame:
                    continue
                with pytest.raises(PacketError):
                    decode(bad)
    with pytest.raises(PacketError, match="wrong length"):
        body = (2 | 5 << 8).to_bytes(4, "little") + bytes(4)
        Packet.unpack(body + zlib.crc32(body).to_bytes(4, "little"))


def test_info_and_others_refuse_other_lengths():
    for unpack in (
        payloads.Info.unpack,
        payloads.Counters.unpack,
        lambda payload: payloads.Answer.unpack(payload, 3),
    ):
        for payload in (b"", b"\1", bytes(1000)):
            with pytest.raises(PacketError):
                unpack(payload)


def test_crc_is_zlibs(seed):
    data = random.Random(seed).randbytes(60)
    dut = SerialCrc()

    async def testbench(ctx):
        for count in (len(data), 3, 0):
            for byte in data[:count]:
                ctx.set(dut.byte, byte)
                ctx.set(dut.valid, 1)
                await ctx.tick()
                ctx.set(dut.valid, 0)
                for _ in range(8):
                    assert ctx.get(dut.busy)
                    await ctx.tick()
                assert not ctx.get(dut.busy)
            assert ctx.get(dut.value) ^ 0xFFFFFFFF == zlib.crc32(data[:count])
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)

    simulate(dut, testbench)


def test_crc_of_a_packet_with_its_crc_is_the_residue(seed):
    data = random.Random(seed).randbytes(20)
    whole = data + zlib.crc32(data).to_bytes(4, "little")
    assert zlib.crc32(whole) ^ 0xFFFFFFFF == protocol.CRC_RESIDUE


def test_decoder_of_frames(seed):
    """Whole frames, and cut ones: what follows those is not harmed."""
    rng = random.Random(seed)
    texts = texts_of(seed, 12)
    dut = CobsDecoder()
    seen: list[bytes | None] = []

    async def testbench(ctx):
        for text in texts:
            frame = cobs_reference(text)
            cut = frame[: rng.randrange(1, len(frame))] if len(frame) > 2 else frame
            for line in (cut + b"\0", frame + b"\0"):
                data = b""
                for byte in line:
                    ctx.set(dut.i_byte, byte)
                    ctx.set(dut.i_valid, 1)
                    if ctx.get(dut.o_valid):
                        data += bytes([ctx.get(dut.o_byte)])
                    if ctx.get(dut.end):
                        assert not ctx.get(dut.empty)
                        seen.append(None if ctx.get(dut.cut) else data)
                    await ctx.tick()
            assert ctx.get(dut.end)  # a zero alone
            assert ctx.get(dut.empty)
            ctx.set(dut.i_valid, 0)
            await ctx.tick()

    simulate(dut, testbench)
    assert seen[1::2] == texts
    assert None in seen[::2]


def test_encoder_of_frames(seed):
    """As `encode_reply` does it, with hesitation at both ends."""
    packets = [Packet(130, 5, payload) for payload in texts_of(seed, 4)]
    rng = random.Random(seed)
    dut = CobsEncoder()
    sent = bytearray()
    expected = b"".join(map(protocol.encode_reply, packets))

    async def feed(ctx):
        for packet in packets:
            data = packet.pack()
            for place, byte in enumerate(data):
                if rng.random() < 0.1:
                    await ctx.tick().repeat(rng.randrange(1, 4))
                ctx.set(dut.i.payload, {"byte": byte, "last": place == len(data) - 1})
                ctx.set(dut.i.valid, 1)
                taken = False
                while not taken:
                    _, _, taken = await ctx.tick().sample(dut.i.ready)
                ctx.set(dut.i.valid, 0)

    async def take(ctx):
        while len(sent) < len(expected):
            ctx.set(dut.o.ready, rng.random() < 0.8)
            _, _, valid, ready, byte = await ctx.tick().sample(
                dut.o.valid, dut.o.ready, dut.o.payload
            )
            if valid and ready:
                sent.append(byte)

    simulate(dut, feed, take)
    assert bytes(sent) == expected


@pytest.mark.parametrize("bank", [4, 16, 2048])
def test_buffer_shows_committed_packets_only(seed, bank, monkeypatch):
    """Random packets, some dropped; against a list. Filled up to its last byte, too."""
    monkeypatch.setattr(buffer, "BANK", bank)
    rng = random.Random(seed)
    dut = PacketBuffer(16)
    committed: list[int] = []
    shown: list[int] = []
    finished = [False]

    async def write(ctx):
        for number in range(150):
            pending = []
            overflow = False
            for _ in range(rng.choice([1, 3, 16])):
                value = rng.randrange(512)
                ctx.set(dut.data, {"byte": value & 0xFF, "last": value >> 8})
                ctx.set(dut.write, 1)
                overflow |= bool(ctx.get(dut.full))
                pending.append(value)
                await ctx.tick()
                ctx.set(dut.write, 0)
                for _ in range(rng.randrange(3)):
                    await ctx.tick()
            keep = not overflow and rng.random() < 0.8
            ctx.set(dut.commit if keep else dut.drop, 1)
            await ctx.tick()
            ctx.set(dut.commit, 0)
            ctx.set(dut.drop, 0)
            committed.extend(pending if keep else [])
            if number % 10 == 9:
                await ctx.tick().repeat(60)
        await ctx.tick().repeat(200)
        finished[0] = True

    async def read(ctx):
        while not finished[0]:
            ctx.set(dut.o.ready, rng.random() < 0.5)
            _, _, valid, ready, byte, last = await ctx.tick().sample(
                dut.o.valid, dut.o.ready, dut.o.payload.byte, dut.o.payload.last
            )
            if valid and ready:
                shown.append(last << 8 | byte)

    simulate(dut, write, read)
    assert shown == committed
    assert len(shown) > 100


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize("depth", [0, 1, 3, 100])
def test_buffer_depths_that_are_refused(depth):
    with pytest.raises(ValueError, match="power of two"):
        PacketBuffer(depth)
    gc.collect()
