"""Counting of cells, and the command that synthesises single units."""

import json

import pytest

from hw import synth
from hw.flow.resources import Resources, count_cells
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
    with pytest.raises(ValueError, match="family must be one of xc7, ecp5, not 'ice40'"):
        count_cells(stat(), "ice40")


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


def test_missing_yosys_is_named(monkeypatch):
    monkeypatch.setenv("YOSYS", "/nowhere/yosys")
    with pytest.raises(UserError, match="/nowhere/yosys"):
        synth.main(["--unit", "index_decoder"])
