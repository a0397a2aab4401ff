"""Counting of cells, and the command that synthesises single units."""

import json

import pytest

from hw import synth
from hw.flow import synth_history
from hw.flow.mapping import CARRY_IN
from hw.flow.progress import Stage
from hw.flow.resources import Resources, count_cells
from hw.flow.tools import YOSYS, run_tool
from model.errors import UserError


def stat(**cells: int) -> dict:
    return {"design": {"num_cells_by_type": cells}}


def test_cells_of_xc7():
    cells = {"LUT2": 3, "LUT6": 4, "INV": 1, "RAM32M": 2, "RAM64X1D": 1, "CARRY4": 9, "MUXF7": 2}
    found = count_cells(stat(**cells, FDRE=5, FDSE=1, RAMB36E1=2, RAMB18E1=1, DSP48E1=1), "xc7")
    assert found == Resources(lut=8 + 10, lutram=10, ff=6, bram=2.5, dsp=1)


def test_cells_of_ecp5():
    cells = {"LUT4": 5, "CCU2C": 3, "TRELLIS_DPR16X4": 1, "PFUMX": 4, "TRELLIS_FF": 7}
    found = count_cells(stat(**cells, DP16KD=2, MULT18X18D=1), "ecp5")
    assert found == Resources(lut=17, lutram=6, ff=7, bram=2, dsp=1)


def test_unknown_family():
    with pytest.raises(ValueError, match="family must be one of xc7, ecp5, .*not 'ice41'"):
        count_cells(stat(), "ice41")


def test_command_writes_a_row_a_unit(tmp_path, capsys):
    arguments = "--unit shared_array --pixels 2 --channels 3 --fill 1 --tau 3 --out"
    synth.main([*arguments.split(), str(tmp_path)])
    (row,) = json.loads((tmp_path / "xc7.json").read_text())
    assert row["unit"] == "shared_array"
    assert row["parameters"] == {
        "pixels": 2, "channels": 3, "tau": 3, "general": False, "fill": 1,
    }  # fmt: skip
    assert row["lut"] > row["lutram"] > 0 and row["fmax_mhz"] is None
    assert row["kernel_applications"] == 6
    assert row["lut_per_kernel_application"] == round(row["lut"] / 6, 2)
    assert "shared_array" in capsys.readouterr().out


def test_illegal_parameters_are_named():
    with pytest.raises(UserError, match="fill must divide the 16 channels, 3 does not"):
        synth.main(["--unit", "shared_array", "--fill", "3"])


def test_a_component_of_the_engine_is_compared_with_its_record(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(synth_history, "HISTORY", tmp_path / "history.jsonl")
    arguments = ["--unit", "engine.word_side.accumulator", "--pixels", "8", "--channels", "4"]
    arguments += ["--out", str(tmp_path)]
    synth.main([*arguments, "--record"])
    (record,) = synth_history.read_history(tmp_path / "history.jsonl")
    assert record["parameters"] == {"pixels": 8, "channels": 4, "fill": 4}
    assert record["family"] == "xc7" and record["lut"] > 0 and record["commit"]
    capsys.readouterr()
    synth.main([*arguments, "--against", record["commit"][:7]])
    line = capsys.readouterr().out.splitlines()[1].split()
    assert line[1] == line[-1] == str(record["lut"])
    with pytest.raises(UserError, match="--against 0000: no record of this commit"):
        synth.main([*arguments, "--against", "0000"])


def test_the_last_record_of_the_same_shape_counts():
    same = {"family": "xc7", "unit": "head", "parameters": {"pixels": 8}}
    rows = [
        {**same, "commit": "a1", "lut": 1},
        {**same, "commit": "b2", "lut": 2},
        {**same, "commit": "b2", "lut": 3, "family": "ecp5"},
        {**same, "commit": "b2", "lut": 4, "parameters": {"pixels": 9}},
    ]
    assert synth_history.earlier(rows, same)["lut"] == 2
    assert synth_history.earlier(rows, same, "a")["lut"] == 1
    assert synth_history.earlier(rows, same, "c") is None


def test_a_broken_history_is_named(tmp_path):
    (tmp_path / "h.jsonl").write_text("{}\n{\n")
    with pytest.raises(UserError, match="line 2 is no JSON"):
        synth_history.read_history(tmp_path / "h.jsonl")


@pytest.mark.parametrize(("unit", "luts"), [("shared_array", 627), ("direct_array", 918)])
def test_an_array_takes_no_more_luts_than_it_did(unit, luts, tmp_path):
    """What an array takes hangs on habits of Yosys, such as the order of a sum's operands.

    Where it takes less, write the new number here.
    """
    synth.main(["--unit", unit, "--pixels", "4", "--channels", "16", "--out", str(tmp_path)])
    (row,) = json.loads((tmp_path / "xc7.json").read_text())
    assert 0.95 * luts < row["lut"] <= luts


def test_a_carry_in_costs_no_bit_of_a_chain(tmp_path):
    """Yosys proves the rewritten sums equal to those written; sums without a common bit stay."""
    (tmp_path / "sums.v").write_text(
        """module sums(input [2:0] a, input [3:0] b, input c, output [4:0] y, z, output [1:0] w);
            assign y = {a, c} + {b, c}, z = {a, 1'b0} + b, w = c + c;
        endmodule"""
    )
    prove = f"equiv_opt -assert {CARRY_IN}; design -load postopt"
    script = f"read_verilog sums.v; prep -top sums; alumacc; {prove}; "
    script += "select -assert-count 1 t:$alu r:A_WIDTH=3 %i r:B_WIDTH=4 %i"
    run_tool(YOSYS, ["-q", "-p", script], tmp_path, tmp_path / "log", Stage("sums"))


def test_a_unit_without_a_path_between_registers_has_no_clock(monkeypatch, tmp_path):
    def route(tool, arguments, folder, log, stage):
        (folder / "stat.json").write_text(json.dumps(stat(LUT4=1)))
        (folder / "timing.json").write_text('{"fmax": {}}')

    monkeypatch.setattr(synth, "run_tool", route)
    assert synth.synthesise("", "top", "ecp5", fmax=True)[1] is None


def test_fmax_needs_a_router():
    with pytest.raises(UserError, match="--fmax needs --family ecp5"):
        synth.main(["--unit", "index_decoder", "--fmax"])


def test_missing_yosys_is_named(monkeypatch):
    monkeypatch.setenv("YOSYS", "/nowhere/yosys")
    with pytest.raises(UserError, match="/nowhere/yosys"):
        synth.main(["--unit", "index_decoder"])
