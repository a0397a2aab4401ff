"""Loading a bitstream, with stand-ins for openFPGALoader, fujprog and iceprog: what they are told,
and what is said of their failures."""

import json
import stat
import sys

import pytest

from hw import program
from hw.boards import BOARDS
from hw.flow.programmers import PROGRAMMERS, explain
from model.errors import UserError


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in, and a path with nothing on it but stand-ins."""
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for variable in ("OPENFPGALOADER", "FUJPROG", "ICEPROG"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def tool(place, name, says="", status=0):
    program = place / "bin" / name
    program.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(place / 'asked')!r}, 'w').write("
        f"' '.join(sys.argv[1:]))\nprint({says!r})\nsys.exit({status})\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def built(place, board="ulx3s_85f", *, stage="bitstream", name="top.bit"):
    folder = place / "build" / board
    folder.mkdir(parents=True)
    report = {"board": board, "stage": stage, "products": ["top.v", "top.json", name]}
    (folder / "report.json").write_text(json.dumps(report))
    (folder / name).touch()
    return folder / name


def asked(place):
    return (place / "asked").read_text()


def refusal(*arguments) -> str:
    with pytest.raises(UserError) as caught:
        program.main([*map(str, arguments)])
    assert caught.value.exit_status == 2 and "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_built_is_loaded(place, capsys):
    built(place)
    tool(place, "openFPGALoader", "Jtag frequency : requested 6.00MHz\nDone")
    assert program.main(["--board", "ulx3s_85f"]) == 0
    assert asked(place) == "-b ulx3s build/ulx3s_85f/top.bit"
    assert "build/ulx3s_85f/top.bit runs on Radiona ULX3S 85F" in capsys.readouterr().out
    program.main(["--board", "ulx3s_85f", "--flash"])
    assert asked(place) == "-b ulx3s -f build/ulx3s_85f/top.bit"


def test_a_bitstream_can_be_named(place):
    (place / "mine.bit").touch()
    tool(place, "openFPGALoader")
    program.main(["--board", "arty_a7", "--bitstream", "mine.bit"])
    assert asked(place) == "-b arty_a7_35t mine.bit"


def test_the_boards_own_program_will_do(place):
    built(place)
    tool(place, "fujprog", "ULX2S / ULX3S JTAG programmer v4.8")
    program.main(["--board", "ulx3s_85f", "--flash"])
    assert asked(place) == "-j flash build/ulx3s_85f/top.bit"


def test_iceprog_for_the_icebreaker(place):
    tool(place, "iceprog")
    found = program.find_programmer("icebreaker")
    assert found.arguments(built(place, "icebreaker", name="top.bin"), flash=True) == [
        str(place / "build/icebreaker/top.bin")
    ]
    assert program.find_bitstream("icebreaker", None).name == "top.bin"


def test_missing_programs_are_named_with_their_packages(place):
    built(place)
    text = refusal("--board", "ulx3s_85f")
    for word in ("openFPGALoader is not", "openfpgaloader", "; or: fujprog", "kost/fujprog"):
        assert word in text


def test_program_that_the_environment_names_wrongly(place, monkeypatch):
    built(place)
    monkeypatch.setenv("OPENFPGALOADER", "/nowhere/loader")
    tool(place, "fujprog")
    assert "OPENFPGALOADER=/nowhere/loader names no program" in refusal("--board", "ulx3s_85f")


@pytest.mark.parametrize(
    ("says", "meaning"),
    [
        ("unable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to open",
         "no board was found"),
        ("unable to open ftdi device: -4 (usb_open() failed)\nJTAG init failed", "udev rules"),
        ("Cannot find JTAG cable.", "no board was found"),
        ("init..\nCan't find iCE FTDI USB device (vendor_id 0x0403, device_id 0x6010).\nABORT.",
         "no board was found"),
        ("Error: cannot find board 'ulx3s'", "newer version"),
        ("empty\n\x1b[31mError: Failed to load\x1b[0m", "Error: Failed to load"),
        ("", "it said nothing"),
    ],
)  # fmt: skip
def test_failures_are_one_line(place, says, meaning):
    built(place)
    tool(place, "openFPGALoader", says, status=1)
    text = refusal("--board", "ulx3s_85f")
    assert text.startswith("openFPGALoader failed: ") and meaning in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--board", "nexys"), "board 'nexys' is not known"),
        (("--board", "arty_a7"), "build/arty_a7 holds no finished build: python -m hw.build"),
        (("--board", "arty_a7", "--bitstream", "none.bit"), "there is no bitstream none.bit"),
        ((), "--board"),
    ],
)
def test_nothing_to_load(place, arguments, text):
    tool(place, "openFPGALoader")
    assert text in refusal(*arguments)
    assert not (place / "asked").exists()


def test_build_that_ended_at_the_netlist(place):
    built(place, "arty_a7", stage="netlist")
    assert "ended at the netlist, without a bitstream" in refusal("--board", "arty_a7")


def test_bitstream_of_another_board(place):
    tool(place, "openFPGALoader")
    bitstream = built(place, "ulx3s_25f")
    text = refusal("--board", "ulx3s_85f", "--bitstream", bitstream)
    assert "was built for ulx3s_25f, not for ulx3s_85f" in text


def test_broken_report_is_none(place):
    built(place)
    (place / "build/ulx3s_85f/report.json").write_text("{")
    assert "holds no finished build" in refusal("--board", "ulx3s_85f")


def test_every_board_has_a_programmer():
    assert set(BOARDS) <= set(PROGRAMMERS)


def test_meanings_are_phrases():
    assert explain(["", "line of no sign"]) == "line of no sign"
