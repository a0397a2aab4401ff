"""The host's code and the compiled board, over a line that misbehaves: what may never happen."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Const, Module
from amaranth.lib.wiring import connect, flipped

from hw import top
from hw.compiler import compile_network
from hw.host.board import Board
from hw.host.commands import first_difference
from hw.host.exchange import Exchange
from hw.link import crc, protocol, receiver
from hw.link.keeper import NetworkKeeper
from hw.link.payloads import Answer, Tally
from model import golden
from model.errors import UserError
from sim import link_faults
from sim.compiled.toolchain import missing
from sim.link.faults import FAULTS, FLIP, run_trials
from sim.link.library import CLOCK_HZ
from sim.link.load_faults import BROKEN_OFF, LOAD_FAULTS, run_loads
from sim.link.port import SimulatedPort, open_simulated
from sim.link_faults import expected_answers, open_loadable, open_small, small_network
from sim.synthetic import random_images

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

TRIALS = 25
LINE_BITS = 10


@pytest.fixture(scope="module")
def port():
    port = open_small()
    yield port
    port.close()


@pytest.mark.parametrize("kind", FAULTS)
def test_no_wrong_answer_and_none_missing(port: SimulatedPort, kind, seed):
    outcome = run_trials(port, expected_answers(seed), kind, TRIALS, seed)
    assert outcome.problems == []
    assert outcome.images == 4 * TRIALS
    assert outcome.refused > TRIALS / 4  # the line did misbehave


def test_trials_notice_a_host_that_trusts_broken_replies(port, seed, monkeypatch):
    def trusting(cls, data: bytes) -> protocol.Packet:
        word, sequence = struct.unpack_from("<II", data.ljust(8, b"\0"))
        return cls(word & 0xFF, sequence, data[8:-4])

    monkeypatch.setattr(protocol.Packet, "unpack", classmethod(trusting))
    with pytest.raises(protocol.PacketError):
        # An answer of a length that none has; or, if lengths are right, a wrong one.
        outcome = run_trials(port, expected_answers(seed), FLIP, TRIALS, seed)
        raise protocol.PacketError(outcome.problems[0])


def test_trials_notice_a_board_that_trusts_broken_requests(seed, monkeypatch):
    class Trusting(crc.SerialCrc):
        def elaborate(self, platform) -> Module:
            m = Module()
            m.d.comb += self.value.eq(Const(protocol.CRC_RESIDUE, 32))
            return m

    monkeypatch.setattr(receiver, "SerialCrc", Trusting)
    port = open_small()
    outcome = run_trials(port, expected_answers(seed), FLIP, 3 * TRIALS, seed)
    port.close()
    assert any("right is" in problem for problem in outcome.problems)


def test_the_line_is_used(seed):
    """At least 95 % of the line's rate while images stream, at 1 M baud as on a board."""
    network = small_network()
    program = compile_network(network, array="direct", pixels=10, channels=2)
    baud = 1_000_000
    port = open_simulated(program, baud)
    board = Board(port)
    images = random_images(seed, network, 60)
    sent, started = board.exchange.traffic.sent, port.now()
    answers = list(board.classify(images))
    seconds = port.now() - started
    assert (board.exchange.traffic.sent - sent) * LINE_BITS / baud / seconds > 0.95
    trace = golden.trace(network, images)
    for number, answer in enumerate(answers):
        expected = Answer(board.info.cycles, int(trace.classes[number]),
                          tuple(trace.scores[number].tolist()))  # fmt: skip
        assert first_difference(answer, expected) is None
        assert "score of class 1" in first_difference(
            replace(answer, scores=(answer.scores[0], 9**9, *answer.scores[2:])), expected
        )
        assert "cycles" in first_difference(replace(answer, cycles=1), expected)
    assert board.counters().tally[Tally.IMAGES] == len(images)
    port.close()


def test_a_late_answer_to_another_host_is_nobodys(port, seed):
    """Two hosts, one after the other, that happen to count alike."""
    expected = expected_answers(seed)
    first = Exchange(port, lambda bits: 100)
    Board(port, first)
    for number in range(6):
        port.write(protocol.encode_request(
            protocol.Packet(protocol.IMAGE, 102 + number, expected.images[number].tobytes())
        ))  # fmt: skip
    board = Board(port, Exchange(port, lambda bits: 101))
    answers = board.classify(expected.images[6:12])
    assert [(a.label, a.scores) for a in answers] == list(expected.answers[6:12])


def test_images_of_another_shape_are_refused(port):
    with pytest.raises(UserError, match=r"takes uint8 images \(1, 5, 5\)"):
        list(Board(port).classify([np.zeros((1, 5, 6), np.uint8)]))


def test_a_line_that_the_clock_cannot_make_is_refused():
    program = compile_network(small_network(), array="direct", pixels=10, channels=2)
    with pytest.raises(UserError, match="too fast"):
        open_simulated(program, CLOCK_HZ)


@pytest.mark.parametrize("kind", LOAD_FAULTS)
def test_a_load_leaves_a_whole_network_or_none(kind, seed):
    port, guests = open_loadable(seed)
    outcome = run_loads(port, guests, kind, TRIALS, seed)
    port.close()
    assert outcome.problems == []
    assert outcome.images == 2 * TRIALS


def test_trials_notice_a_board_that_trusts_what_was_loaded(seed, monkeypatch):
    class Careless(NetworkKeeper):
        def elaborate(self, platform) -> Module:
            m = Module()
            m.submodules.inner = inner = NetworkKeeper(self.slots)
            connect(m, inner.contents, flipped(self.contents))
            for name in ("start", "request", "valid", "byte", "last"):
                m.d.comb += getattr(inner, name).eq(getattr(self, name))
            for name in ("ready", "done", "written", "checked"):
                m.d.comb += getattr(self, name).eq(getattr(inner, name))
            m.d.comb += self.loaded.eq(1)
            return m

    monkeypatch.setattr(top, "NetworkKeeper", Careless)
    port, guests = open_loadable(seed)
    outcome = run_loads(port, guests, BROKEN_OFF, TRIALS, seed)
    port.close()
    assert any("right is" in problem for problem in outcome.problems)


def test_command(capsys):
    assert link_faults.main(["--trials", "2"]) == 0
    shown = capsys.readouterr().out
    assert "host vanishes" in shown
    assert "load, bad line" in shown
    with pytest.raises(UserError, match="at least 1"):
        link_faults.main(["--trials", "0"])
