"""The Arty's flows end to end, with stand-ins for routers, prjxray's tools and Vivado.

The real ones are run by the last test, where they are installed.
"""

import json
import shutil

import pytest

from hw import build
from hw.boards import BOARDS, find_board
from hw.flow import autosize, builder, netlist
from hw.flow.flows import FLOWS, choose_flow
from hw.flow.xc7.databases import chip_names, die_of
from hw.flow.xc7.nextpnr import check_pins
from hw.flow.xc7.open_tools import find_open_tools
from hw.flow.xc7.risks import Risk, risks_of_fork
from hw.flow.xc7.router import FORK, MAINLINE, Router
from model.errors import CheckError, UserError
from model.format import save
from sim.random_graph import GraphBuilder
from sim.synthetic import random_network
from tests import xc7_logs
from tests.fake_xc7 import FakeXc7

ARTY = BOARDS["arty_a7"]
FORK_CHIPS, MAINLINE_CHIPS = "xc7a35tcsg324.bin", "chipdb-xc7a50t.bin"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    network = random_network(
        1, image=(1, 4, 4), levels=2, channels=(2,), pools=("none",), classes=2
    )
    save(network, path)
    return str(path)


@pytest.fixture
def tools(tmp_path, monkeypatch) -> FakeXc7:
    """Stand-ins, none of them there yet."""
    return FakeXc7(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def elaborated(tmp_path_factory):
    """In place of elaboration, which takes seconds: the first one's files, for each board."""
    made = {}

    def copy(board, top, folder):
        if board.name not in made:
            made[board.name] = tmp_path_factory.mktemp(board.name)
            netlist.elaborate(board, top, made[board.name])
        for part in (top, top._core, *vars(top._core).values()):
            if hasattr(part, "_MustUse__used"):  # or Amaranth wonders what it was made for
                part._MustUse__used = True
        shutil.copytree(made[board.name], folder, dirs_exist_ok=True)

    return copy


@pytest.fixture
def run(tmp_path, model, elaborated, monkeypatch):
    """Builds for a board; returns the report, or raises what the command ends with."""
    monkeypatch.setattr(builder, "elaborate", elaborated)

    def run(*options: str, board: str = "arty_a7") -> dict:
        size = ("--pixels", "4", "--channels", "1")
        out = tmp_path / "out"
        try:
            build.main(
                ["--board", board, "--model", model, *size, "--out", str(out), *options]
            )
        finally:
            run.report = (
                json.loads((out / "report.json").read_text())
                if (out / "report.json").exists()
                else None
            )
        return run.report

    return run


def test_fork_to_a_bitstream(tools, run, tmp_path, capsys):
    tools.router("nextpnr-xilinx", xc7_logs.FORK)
    chips = tools.chips(FORK_CHIPS)
    tools.prjxray()
    made = run()
    assert (made["flow"], made["stage"], made["timing_met"]) == ("open", "bitstream", True)
    assert made["fmax_mhz"] == 143.04 and made["clock_mhz"] == 100
    assert made["tools"]["nextpnr-xilinx"] == "0.9.6"
    assert made["routed"]["SLICE_LUTX"] == {"used": 8140, "available": 65200}
    assert "top.bit" in made["products"] and (tmp_path / "out" / "top.bit").exists()
    assert tools.asked[tools.asked.index("--freq") + 1] == "100"
    assert tools.asked[tools.asked.index("--chipdb") + 1] == str(chips)
    assert "Open flow with nextpnr-xilinx 0.9.6" in capsys.readouterr().out
    assert "8,140 of 65,200" in (tmp_path / "out" / "report.md").read_text()


def test_mainline_to_a_bitstream(tools, run):
    tools.router("nextpnr-himbaechel", xc7_logs.MAINLINE, version="nextpnr-0.11.1-8-g7c0c1c40")
    tools.chips(MAINLINE_CHIPS)
    tools.prjxray()
    made = run("--flow", "open")
    assert made["fmax_mhz"] == 183.99  # of the report, not of the log
    assert made["tools"]["nextpnr-himbaechel"] == "0.11.1-8-g7c0c1c40"
    assert "xdc=top.xdc" in tools.asked and "xc7a35tcsg324-1" in tools.asked


def test_the_larger_arty_has_its_own_databases(tools, run):
    tools.router("nextpnr-xilinx", xc7_logs.FORK)
    tools.chips(FORK_CHIPS)
    tools.prjxray("xc7a100tcsg324-1")
    with pytest.raises(UserError, match=r"chip database xc7a100tcsg324\.bin of nextpnr-xilinx 0"):
        run("--flow", "open", board="arty_a7_100")
    tools.chips("xc7a100tcsg324.bin")
    assert run(board="arty_a7_100")["stage"] == "bitstream"


def test_clock_from_the_pll_is_asked_for(tools, run):
    tools.router("nextpnr-xilinx", xc7_logs.FORK.replace("at 100.00", "at 120.00"))
    tools.chips(FORK_CHIPS)
    tools.prjxray()
    assert run("--clock", "120")["timing_met"] is True
    assert tools.asked[tools.asked.index("--freq") + 1] == "120"


def test_mainline_behind_the_forks_name(tools, run):
    """As openXC7 plans it: asked like the fork, trusted like mainline."""
    tools.router("nextpnr-xilinx", xc7_logs.FORK, says="nextpnr-himbaechel", version="0.11.1")
    tools.chips(FORK_CHIPS)
    tools.prjxray()
    assert run()["tools"]["nextpnr-himbaechel"] == "0.11.1"
    assert Risk.TABLE in choose_flow(ARTY, "open").avoid
    assert "--fasm" in tools.asked


def test_missed_timing_is_exit_status_1_with_a_bitstream(tools, run):
    tools.router("nextpnr-xilinx", xc7_logs.FORK_MISSED)
    tools.chips(FORK_CHIPS)
    tools.prjxray()
    with pytest.raises(CheckError, match=r"91\.27 MHz reached, 100 MHz wanted, 8\.73 MHz short"):
        run()
    assert (run.report["stage"], run.report["timing_met"]) == ("bitstream", False)


@pytest.mark.parametrize(
    ("log", "status", "text"),
    [
        (xc7_logs.FORK_UNROUTABLE, 255, "nextpnr-xilinx failed: ERROR: Failed to route arc 0"),
        (xc7_logs.MAINLINE_ABORT, 134, "Package 'icsg324' not found"),
        (xc7_logs.FORK_ON_THE_PAD, 0, "the clock of 100 MHz was not analysed"),
    ],
)
def test_router_that_fails(tools, run, log, status, text):
    tools.router("nextpnr-xilinx", log, status=status)
    tools.chips(FORK_CHIPS)
    tools.prjxray()
    with pytest.raises(CheckError) as caught:
        run()
    assert text in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_status == 1 and run.report is None


def test_features_that_contradict_each_other(tools, run):
    tools.router("nextpnr-xilinx", xc7_logs.FORK)
    tools.chips(FORK_CHIPS)
    tools.prjxray(said=xc7_logs.INCONSISTENT)
    with pytest.raises(CheckError, match="fasm2frames failed: .*FasmInconsistentBits"):
        run()


def test_what_the_router_gets_wrong_is_not_routed(tmp_path, monkeypatch, run):
    tools = FakeXc7(tmp_path, monkeypatch, DSP48E1=3, LUT6=5)
    tools.router("nextpnr-xilinx", xc7_logs.FORK)
    tools.chips(FORK_CHIPS)
    tools.prjxray()
    with pytest.raises(CheckError, match="known to get parts .* wrong .* 1 x DSP48E1"):
        run()
    assert run.report["stage"] == "netlist" and run.report["risks"]
    assert not (tools.bin / "router.json").exists()


def test_design_that_does_not_fit_is_not_routed(tmp_path, monkeypatch, run):
    tools = FakeXc7(tmp_path, monkeypatch, LUT6=20801)
    tools.router("nextpnr-xilinx", xc7_logs.FORK)
    tools.chips(FORK_CHIPS)
    tools.prjxray()
    with pytest.raises(CheckError, match="needs 20,801 lut"):
        run()
    assert not (tools.bin / "router.json").exists()


def test_vivado_to_a_bitstream(tools, run):
    tools.vivado(xc7_logs.VIVADO_TIMING, xc7_logs.VIVADO_CELLS)
    made = run("--clock", "120")
    assert (made["flow"], made["stage"], made["timing_met"]) == ("vivado", "bitstream", True)
    assert made["resources"]["lut"]["used"] == 9012  # its own count
    assert made["resources"]["bram"]["used"] == 10.5 and made["tools"]["vivado"] == "2023.2"
    assert made["memories"] == []
    assert any("nextpnr-xilinx" in note for note in made["notes"])  # what else could be had


def test_vivado_that_fails(tools, run):
    tools.vivado(xc7_logs.VIVADO_TIMING, xc7_logs.VIVADO_CELLS, status=1)
    with pytest.raises(CheckError, match="vivado failed: ERROR: .Common 17-345. A valid license"):
        run("--flow", "vivado", "--clock", "120")


def test_open_flow_goes_before_vivado_and_can_be_refused(tools):
    tools.router("nextpnr-xilinx", xc7_logs.FORK)
    tools.chips(FORK_CHIPS)
    tools.prjxray()
    tools.vivado("", "")
    assert [choose_flow(ARTY, flow).name for flow in FLOWS] == [
        "open", "open", "vivado", "netlist",
    ]  # fmt: skip


def test_an_array_is_chosen_without_the_dsp_blocks_that_the_router_gets_wrong(tools):
    tools.router("nextpnr-xilinx", "")
    tools.chips(FORK_CHIPS)
    tools.prjxray()
    graph = GraphBuilder(3, image=(1, 8, 8))
    graph.conv(8, stream=12, prelu=True)
    network = graph.head(classes=10, on="stream")
    needs = [
        [c.needs for c in autosize.candidates(network, board, "shared", 8, 2, None)]
        for board in (choose_flow(ARTY, "open").usable(ARTY), ARTY)
    ]
    for soft, hard in zip(*needs, strict=True):
        assert hard.dsp == 16 and soft.dsp == 0 and soft.lut == hard.lut + 67 * 16


def test_netlist_says_what_is_missing(tools, run, tmp_path):
    made = run()
    assert (made["flow"], made["stage"], made["fmax_mhz"]) == ("netlist", "netlist", None)
    (note,) = made["notes"]
    for text in ("Vivado", "nextpnr-xilinx", "prjxray", "fasm2frames", "docs/flows.md"):
        assert text in note
    assert {"top.v", "top.xdc", "top.tcl"} <= set(made["products"])
    script = (tmp_path / "out" / "top.tcl").read_text()
    assert "-part xc7a35ticsg324-1L" in script and "add_files top.v" in script


def test_netlist_can_be_asked_for_anywhere(tools, run):
    tools.vivado("", "")
    assert run("--flow", "netlist")["notes"] == ["The flow ends at the netlist, as asked for."]
    made = run("--flow", "netlist", board="ulx3s_85f")
    assert (made["stage"], made["flow"]) == ("netlist", "netlist")


@pytest.mark.parametrize(
    ("board", "flow", "text"),
    [
        ("arty_a7", "fast", "--flow must be one of auto, open, vivado, netlist, not 'fast'"),
        ("arty_a7", "open", "--flow open: not there: nextpnr-xilinx (on the path or in NEXT"),
        ("arty_a7", "vivado", "--flow vivado: vivado is not on the path, nor named by VIVADO"),
        ("ulx3s_85f", "vivado", "Vivado has no LFE5U-85F-6BG381C"),
    ],
)
def test_flow_that_cannot_be_had(tools, run, board, flow, text):
    with pytest.raises(UserError) as caught:
        run("--flow", flow, board=board)
    assert text in str(caught.value)
    assert caught.value.exit_status == 2 and "\n" not in str(caught.value)


def test_missing_pieces_are_named_one_by_one(tools, monkeypatch):
    def missing():
        return "; ".join(find_open_tools(ARTY.part)[1])

    tools.router("nextpnr-xilinx", "")
    assert missing().startswith("the chip database xc7a35tcsg324.bin of nextpnr-xilinx 0.9.6")
    tools.chips(FORK_CHIPS)
    assert missing().startswith("prjxray-db with artix7/xc7a35tcsg324-1")
    tools.prjxray()
    (tools.bin / "xc7frames2bit").unlink()
    assert missing().startswith("xc7frames2bit (on the path or in XC7FRAMES2BIT")
    monkeypatch.setenv("XC7FRAMES2BIT", "/nowhere/xc7frames2bit")
    with pytest.raises(UserError, match="XC7FRAMES2BIT=/nowhere.* names no program"):
        missing()


def test_chip_database_of_another_part_is_refused(tools, monkeypatch):
    tools.router("nextpnr-xilinx", "")
    tools.prjxray()
    monkeypatch.setenv("CHIPDB", str(tools.chips("xc7a200tsbg484.bin")))
    with pytest.raises(UserError, match=r"xc7a200tsbg484\.bin is no chip database of xc7a35tcsg"):
        choose_flow(ARTY, "auto")


def test_program_that_is_no_router(tools, monkeypatch):
    monkeypatch.setenv("NEXTPNR_XILINX", shutil.which("true", path="/bin:/usr/bin"))
    with pytest.raises(UserError, match="really nextpnr"):
        choose_flow(ARTY, "auto")


def test_himbaechel_of_another_family_does_not_count(tools):
    tools.router("nextpnr-himbaechel", "")
    tools.prjxray()
    assert choose_flow(ARTY, "auto").name == "netlist"


def test_databases_beside_the_program_and_in_packages(tools):
    """apio's package, as FPGAwars/tools-openxc7 lays it out."""
    home = tools.folder / ".apio" / "packages" / "openxc7"
    (home / "chipdb").mkdir(parents=True)
    (home / "chipdb" / FORK_CHIPS).touch()
    part = home / "share/nextpnr/external/prjxray-db/artix7/xc7a35tcsg324-1"
    part.mkdir(parents=True)
    (part / "part.yaml").touch()
    tools.router("nextpnr-xilinx", "")
    found, missing = find_open_tools(ARTY.part)
    assert found is None and len(missing) == 2  # prjxray's programs
    (tools.folder / "share" / "himbaechel" / "xilinx").mkdir(parents=True)
    (tools.folder / "share" / "himbaechel" / "xilinx" / MAINLINE_CHIPS).touch()
    (tools.bin / "nextpnr-xilinx").unlink()
    tools.router("nextpnr-himbaechel", "")
    assert "himbaechel" not in "; ".join(find_open_tools(ARTY.part)[1])


def test_names_of_databases():
    assert [die_of(board.part) for board in (ARTY, BOARDS["arty_a7_100"])] == [
        "xc7a50t", "xc7a100t",
    ]  # fmt: skip
    assert chip_names(ARTY.part, Router(FORK, False, ""))[0] == FORK_CHIPS
    assert chip_names(ARTY.part, Router(MAINLINE, True, "")) == (MAINLINE_CHIPS,)


@pytest.mark.parametrize(
    ("version", "risks"),
    [
        ("0.8.2-25-ge22bcf69", {Risk.DSP, Risk.SRL, Risk.ODD}),
        ("0.9.1", {Risk.DSP, Risk.SRL, Risk.WIDE, Risk.CARRY}),
        ("v0.9.3", {Risk.DSP, Risk.SRL}),
        ("0.10", {Risk.DSP}),
        ("b9f013d", set(Risk) - {Risk.TABLE}),
    ],
)
def test_risks_go_by_the_version(version, risks):
    assert risks_of_fork(version) == risks


def test_port_without_its_pin_is_refused():
    pins = 'set_property PACKAGE_PIN E3 [get_ports "clk"]\n'
    module = {"ports": {"clk": {}}}
    with pytest.raises(CheckError, match="port clk has no IOSTANDARD"):
        check_pins(module, pins)
    check_pins(module, pins + 'set_property IOSTANDARD LVCMOS33 [get_ports "clk"]\n')
    with pytest.raises(CheckError, match="port rst has no PACKAGE_PIN"):
        check_pins({"ports": {"rst": {}}}, pins)


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["open", "vivado"])
def test_real_tools(tmp_path, model, flow):
    """A bitstream with what is installed."""
    try:
        choose_flow(find_board("arty_a7"), flow)
    except UserError as error:
        pytest.skip(f"{error}")
    size = ("--pixels", "4", "--channels", "1")
    options = ["--board", "arty_a7", "--model", model, *size, "--flow", flow]
    assert build.main([*options, "--out", str(tmp_path)]) == 0
    made = json.loads((tmp_path / "report.json").read_text())
    assert made["stage"] == "bitstream" and made["fmax_mhz"] >= 100
    assert (tmp_path / "top.bit").stat().st_size > 100_000
