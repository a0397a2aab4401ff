"""``python -m hw.host`` as a new user meets it; the board is a pseudo-terminal."""

import base64
import errno
import io
import os
import pty
import re
import subprocess
import sys
import threading
import tty
import zlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import serial
from PIL import Image

from hw.compiler import compile_network
from hw.host import exchange, ports
from hw.host.__main__ import main
from hw.host.board import Board
from hw.host.errors import LinkError
from hw.host.page import Shown, page
from hw.host.pictures import find_pictures, read_picture
from hw.link import protocol
from hw.link.identity import buffer_depth, describe, design_id, network_id
from hw.link.payloads import Answer, Checked, Counters, Info
from hw.link.protocol import Packet, PacketError
from hw.loading.guest import compile_for, made_loadable
from hw.loading.slots import board_slots, check_sum
from model import datasets, golden
from model.errors import CheckError, UserError
from model.format import load, save
from model.shipped import load_model
from sim.synthetic import random_network

ROOT = Path(__file__).parents[1]
PROGRAM = compile_network(load_model("digits"), pixels=8, channels=8)
INFO = describe(PROGRAM, 50e6)
LOADABLE = made_loadable(PROGRAM)
ANSWERS: dict[bytes, Answer] = {}


def remember(images: np.ndarray) -> None:
    """Compute answers beforehand: one by one they take longer than a board."""
    trace = golden.trace(PROGRAM.network, images)
    for image, label, scores in zip(images, trace.classes, trace.scores.tolist(), strict=True):
        ANSWERS[image.tobytes()] = Answer(INFO.cycles, int(label), tuple(scores))


remember(datasets.load("digits").images[:40])


class FakeBoard:
    """Answers as a board would, by the golden model; ``info`` and ``spoil`` make it another one."""

    def __init__(self, info: bytes = INFO.pack(), spoil=lambda reply: reply):
        self._info, self._spoil, self._images = info, spoil, 0
        self._slots = board_slots(LOADABLE, describe(LOADABLE, 50e6))
        self._written = [bytearray(slot.packed()) for slot in self._slots]

    def __call__(self, data: bytes) -> bytes:
        try:
            packet = protocol.decode_request(data)
        except PacketError:
            return b""
        kind = packet.type | protocol.REPLY
        return self._spoil(
            protocol.encode_reply(Packet(kind, packet.sequence, self._payload(packet)))
        )

    def _payload(self, packet: Packet) -> bytes:
        if packet.type == protocol.INFO:
            return self._info
        if packet.type == protocol.COUNTERS:
            return Counters((self._images, 0, 3, 0, 0, 0), INFO.cycles).pack()
        if packet.type == protocol.LOAD:
            number, address = packet.payload[0], int.from_bytes(packet.payload[1:4], "little")
            words = packet.payload[protocol.LOAD_HEADER_BYTES :]
            at = address * self._slots[number].word_bytes
            self._written[number][at : at + len(words)] = words
            return bytes(4)
        if packet.type == protocol.CHECK:
            found = zlib.crc32(b"".join(self._written))
            self._info = bytes(self._written[-1])
            return Checked(found, found == int.from_bytes(packet.payload, "little")).pack()
        if packet.payload not in ANSWERS:
            shape = (1, *PROGRAM.network.image)
            remember(np.frombuffer(packet.payload, np.uint8).reshape(shape))
        self._images += 1
        return ANSWERS[packet.payload].pack()


@contextmanager
def device(answer, *, raw: bool = False):
    """A pseudo-terminal whose other end answers each frame (or, ``raw``, whatever comes)."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)

    def serve() -> None:
        waiting = b""
        while True:
            try:
                waiting += os.read(ours, 4096)
            except OSError:
                return
            if raw:
                frames, waiting = [waiting], b""
            else:
                *frames, waiting = waiting.split(b"\0")
            for frame in filter(None, frames):
                os.write(ours, answer(frame))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        os.close(theirs)
        thread.join(timeout=5)
        os.close(ours)


@pytest.fixture
def impatient(monkeypatch):
    """So that a silent board costs a test tenths of a second."""
    monkeypatch.setattr(ports.SerialPort, "latency", 0.1)
    monkeypatch.setattr(exchange, "TRIES", 3)


def refused(*words: str, arguments: list[str], error=UserError) -> None:
    """The command ends with one line that holds the words."""
    with pytest.raises(error) as caught:
        main(arguments)
    text = str(caught.value)
    assert "\n" not in text
    assert all(word in text for word in words), text
    assert caught.value.exit_status == (1 if error is CheckError else 2)


@pytest.fixture
def pictures(tmp_path) -> Path:
    data = datasets.load("digits")
    for number in range(3):
        picture = Image.fromarray(data.images[number, 0]).resize((80, 80), Image.Resampling.NEAREST)
        picture.convert("RGBA" if number else "L").save(tmp_path / f"{number}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_info_bench_and_verify(capsys):
    with device(FakeBoard()) as port:
        assert main(["info", "--port", port, "--model", "digits"]) == 0
        shown = capsys.readouterr().out
        assert INFO.network.hex() in shown
        assert "50 MHz" in shown
        assert main(["bench", "--port", port, "--images", "20"]) == 0
        assert "images/s" in capsys.readouterr().out
        assert main(["verify", "--port", port, "--images", "30", "--noise"]) == 0
        assert "30 images of noise" in capsys.readouterr().out


def test_classify_shows_every_picture(pictures, capsys):
    with device(FakeBoard()) as port:
        assert main(["classify", "--port", port, str(pictures)]) == 0
    shown = capsys.readouterr().out
    for number in range(3):
        line = next(line for line in shown.splitlines() if f"{number}.png" in line)
        assert line.split("│")[2].strip() == str(number)


def test_verify_names_the_first_difference():
    def spoil(reply: bytes) -> bytes:
        packet = protocol.decode_reply(reply[:-1])
        if packet.type != protocol.IMAGE | protocol.REPLY:
            return reply
        answer = Answer.unpack(packet.payload, 10)
        scores = (*answer.scores[:4], answer.scores[4] + 1, *answer.scores[5:])
        return protocol.encode_reply(replace(packet, payload=replace(answer, scores=scores).pack()))

    with device(FakeBoard(spoil=spoil)) as port:
        refused(
            "image 0", "score of class 4", "golden model",
            arguments=["verify", "--port", port, "--images", "2"], error=CheckError,
        )  # fmt: skip


def test_a_bad_line_costs_time_only():
    """Every third reply is lost, every fourth one broken, every fifth comes twice."""
    count = [0]

    def spoil(reply: bytes) -> bytes:
        count[0] += 1
        if count[0] % 3 == 0:
            return b""
        if count[0] % 4 == 0:
            return reply[:5] + b"\x55" + reply[6:]
        return reply * 2 if count[0] % 5 == 0 else reply

    images = datasets.load("digits").images[:40]
    with device(FakeBoard(spoil=spoil)) as name, ports.open_serial(name, 1_000_000) as port:
        board = Board(port)
        answers = list(board.classify(images))
        assert board.exchange.traffic.again > 5
    trace = golden.trace(PROGRAM.network, images)
    assert [answer.label for answer in answers] == trace.classes.tolist()
    assert [list(answer.scores) for answer in answers] == trace.scores.tolist()


def test_no_such_port():
    refused("no such port", "--port", arguments=["info", "--port", "/dev/ttyUSB77"])


def test_no_rights_and_in_use(monkeypatch):
    for number, word in ((errno.EACCES, "dialout"), (errno.EBUSY, "in use")):
        def fail(*arguments, number=number, **settings):
            raise serial.SerialException(number, os.strerror(number))

        monkeypatch.setattr(serial, "Serial", fail)
        refused(word, arguments=["info", "--port", "/dev/null"])


def test_a_port_that_is_no_serial_port(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    refused("cannot be opened as a serial port", arguments=["info", "--port", str(file)])


def test_nothing_answers(impatient):
    with device(lambda frame: b"") as port:
        refused("nothing answers at 1000000 baud", arguments=["info", "--port", port])


@pytest.mark.parametrize("answer", [lambda frame: b"AT\r\nERROR\r\n", lambda frame: b"\x80\0\xf7"])
def test_wrong_baud_rate_or_another_device(answer, impatient):
    with device(answer, raw=True) as port:
        refused("not a board of this project", "--baud", arguments=["info", "--port", port])


def test_the_echo_of_a_loop_is_no_board(impatient):
    with device(lambda data: data, raw=True) as port:
        refused("not a board of this project", arguments=["info", "--port", port])


def test_a_board_of_another_protocol():
    with device(FakeBoard(info=b"\x09" + INFO.pack()[1:])) as port:
        refused("protocol version 9, not 1", "anew", arguments=["info", "--port", port])


def test_a_board_with_another_network():
    other = replace(INFO, network=b"another!", name="old")
    with device(FakeBoard(info=other.pack())) as port:
        refused("'old'", "not digits", "hw.build",
                arguments=["verify", "--port", port, "--model", "digits"])  # fmt: skip
        refused("none of the shipped ones", "--model", arguments=["verify", "--port", port])


def test_a_board_with_an_older_design():
    with device(FakeBoard(info=replace(INFO, design=b"older...").pack())) as port:
        refused("another release", "anew", arguments=["verify", "--port", port])


@pytest.fixture
def shuffled(tmp_path) -> Path:
    """The digits network with other weights, as a file."""
    digits = PROGRAM.network
    convs = (replace(conv, indices=conv.indices[::-1].copy()) for conv in digits.convs)
    save(replace(digits, name="shuffled", layers=(*convs, digits.head)), tmp_path / "net")
    return tmp_path / "net"


def test_load(shuffled, capsys):
    """What was written is what the network compiles to, and the board says whose it is."""
    board = FakeBoard(info=describe(LOADABLE, 50e6).pack())
    with device(board) as port:
        assert main(["load", "--port", port, "--model", str(shuffled)]) == 0
        program = compile_for(load(shuffled), LOADABLE)
        slots = board_slots(program, describe(program, 50e6))
        assert [bytes(data) for data in board._written] == [slot.packed() for slot in slots]
        assert f"check sum {check_sum(slots):08x}" in capsys.readouterr().out
        assert main(["info", "--port", port, "--model", str(shuffled)]) == 0
        assert f"shuffled ({network_id(program.network).hex()})" in capsys.readouterr().out
        refused("'shuffled'", "not digits", "hw.host load --model digits",
                arguments=["verify", "--port", port, "--model", "digits"])  # fmt: skip


def test_a_load_that_is_not_what_was_written(shuffled):
    def spoil(reply: bytes) -> bytes:
        packet = protocol.decode_reply(reply[:-1])
        if packet.type != protocol.CHECK | protocol.REPLY:
            return reply
        return protocol.encode_reply(replace(packet, payload=Checked(1, False).pack()))

    with device(FakeBoard(describe(LOADABLE, 50e6).pack(), spoil)) as port:
        refused("check sum", "00000001", "no network",
                arguments=["load", "--port", port, "--model", str(shuffled)],
                error=CheckError)  # fmt: skip


def test_a_load_that_breaks_off(shuffled, impatient):
    def spoil(reply: bytes) -> bytes:
        packet = protocol.decode_reply(reply[:-1])
        return b"" if packet.type == protocol.LOAD | protocol.REPLY else reply

    with device(FakeBoard(describe(LOADABLE, 50e6).pack(), spoil)) as port:
        refused("stopped answering", "no network until a load is complete",
                arguments=["load", "--port", port, "--model", str(shuffled)])  # fmt: skip


def test_a_board_that_holds_no_network(pictures, capsys):
    info = replace(describe(LOADABLE, 50e6), network=bytes(8))
    with device(FakeBoard(info=info.pack())) as port:
        refused("holds no network", "hw.host load",
                arguments=["classify", "--port", port, str(pictures)])  # fmt: skip
        assert main(["info", "--port", port]) == 0
        assert "none" in capsys.readouterr().out


def test_loads_that_are_refused_before(shuffled):
    with device(FakeBoard()) as port:
        refused("keeps the network it was built with", "--loadable",
                arguments=["load", "--port", port, "--model", str(shuffled)])  # fmt: skip
        refused("--model", arguments=["load", "--port", port])
    with device(FakeBoard(info=describe(LOADABLE, 50e6).pack())) as port:
        refused("mnist cannot be loaded", "image",
                arguments=["load", "--port", port, "--model", "mnist"])  # fmt: skip
        built = ["--built", "mnist"]
        refused("--built", "not mnist",
                arguments=["load", "--port", port, "--model", str(shuffled), *built])  # fmt: skip
    other = replace(describe(LOADABLE, 50e6), design=b"older...")
    with device(FakeBoard(info=other.pack())) as port:
        refused("none of the shipped networks", "--built",
                arguments=["load", "--port", port, "--model", str(shuffled)])  # fmt: skip


def test_a_page_of_pictures(pictures, tmp_path, capsys):
    """It needs nothing but itself, and shows what the board got and said."""
    page = tmp_path / "page.html"
    with device(FakeBoard()) as port:
        names = [str(pictures / f"{number}.png") for number in range(3)]
        assert main(["classify", "--port", port, "--page", str(page), *names]) == 0
        folder = str(tmp_path)
        refused("cannot be written",
                arguments=["classify", "--port", port, "--page", folder, *names])  # fmt: skip
    text = page.read_text()
    assert str(page) in capsys.readouterr().out.replace("\n", "")
    assert text.count("<li>") == 3
    assert "http" not in text
    pictured = re.findall(r'src="data:image/png;base64,([^"]+)" alt="([^"]+)"><b>([^<]+)', text)
    for place, (data, name, label) in enumerate(pictured):
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        assert (image == read_picture(pictures / name, (1, 8, 8))[0]).all()
        assert (name, label) == (f"{place}.png", str(place))


def test_a_page_shows_colours_and_hides_nothing_of_a_name():
    shown = Shown("<b>.png", np.arange(12, dtype=np.uint8).reshape(3, 2, 2), "cat", 5, None, 1.5)
    text = page("Title", "facts", [shown])
    assert "&lt;b&gt;.png" in text
    assert "next:" not in text
    data = re.search(r"base64,([^\"]+)", text)[1]
    colours = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert (colours.transpose(2, 0, 1) == shown.image).all()


def test_pictures_that_are_none(tmp_path):
    refused("no picture in this folder",
            arguments=["classify", "--port", "/dev/null", str(tmp_path)])  # fmt: skip
    refused("no such file",
            arguments=["classify", "--port", "/dev/null", str(tmp_path / "x.png")])  # fmt: skip
    (tmp_path / "a.png").write_text("not one")
    refused("a.png", "not a picture",
            arguments=["classify", "--port", "/dev/null", str(tmp_path)])  # fmt: skip


def test_a_picture_cut_short(pictures):
    whole = (pictures / "0.png").read_bytes()
    (pictures / "0.png").write_bytes(whole[: len(whole) // 2])
    with device(FakeBoard()) as port:
        refused("0.png", "not a picture", arguments=["classify", "--port", port, str(pictures)])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["info"], "--port"),
        (["dance", "--port", "x"], "dance"),
        (["info", "--port", "x", "--baud", "0"], "--baud"),
        (["info", "--port", "x", "--pixels", "8"], "--pixels belongs to --port sim"),
        (["info", "--port", "x", "--model", "nothing"], "nothing"),
    ],
)
def test_options_that_are_refused(arguments, word):
    refused(word, arguments=arguments)


def test_exit_status_of_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "hw.host", "info", "--port", "/dev/ttyUSB77"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: /dev/ttyUSB77")
    assert "Traceback" not in done.stderr


def test_a_picture_becomes_an_image(tmp_path):
    """The middle of it, in rows and columns, colours apart; turned as the camera says."""
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = [10, 20, 30]
    Image.fromarray(wide).save(tmp_path / "a.png")
    image = read_picture(tmp_path / "a.png", (3, 4, 4))
    assert image.tolist() == [[[value] * 4] * 4 for value in (10, 20, 30)]
    grey = read_picture(tmp_path / "a.png", (1, 4, 8))
    assert grey.shape == (1, 4, 8)
    assert not grey[0, :, :2].any()
    assert find_pictures([str(tmp_path)]) == [tmp_path / "a.png"]
    with pytest.raises(UserError, match="2 colours"):
        read_picture(tmp_path / "a.png", (2, 4, 4))


def test_identifiers_say_what_differs(tmp_path):
    networks = [random_network(seed, image=(1, 4, 4)) for seed in (1, 1, 2)]
    same, again, other = map(network_id, networks)
    assert same == again != other
    assert network_id(replace(networks[0], name="another name", provenance={"a": 1})) == same
    save(networks[0], tmp_path / "network")
    assert network_id(load(tmp_path / "network")) == same
    small, large = (compile_network(networks[0], pixels=p, channels=2) for p in (4, 8))
    assert design_id(small) != design_id(large)
    info = describe(small, 25e6)
    assert Info.unpack(info.pack()) == replace(info, name=info.name[:16])


def test_images_too_large_for_the_link():
    assert buffer_depth(3072) == 4096
    with pytest.raises(UserError, match="too large for the link"):
        buffer_depth(150_528)


def test_a_board_that_is_unplugged():
    with device(FakeBoard()) as name, ports.open_serial(name, 1_000_000) as port:
        board = Board(port)
        os.close(port._device.fd)
        with pytest.raises(LinkError, match="went away"):
            board.counters()
        port._device.fd = os.open(os.devnull, os.O_RDWR)
