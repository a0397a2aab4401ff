"""The netlist check names what open routers get wrong, and nothing else."""

from hw.flow.netlist_check import risky_cells


def cell(kind, **parameters):
    return {"type": kind, "parameters": parameters}


def check(*cells):
    return risky_cells({"cells": {f"c{n}": c for n, c in enumerate(cells)}})


def test_clean_netlist_has_no_risks():
    assert check(
        cell("LUT6", INIT="0" * 63 + "1"),
        cell("FDRE", INIT="1"),
        cell("RAM32M", INIT_A="0" * 64, INIT_B="x" * 64),
        cell("RAM64M"),
        cell("RAMB36E1", READ_WIDTH_A=f"{36:032b}", WRITE_WIDTH_B=f"{72:032b}", INIT_00="1"),
        cell("RAMB18E1", READ_WIDTH_A=f"{9:032b}", WRITE_WIDTH_B=9),
        cell("PLLE2_BASE"),
    ) == []


def test_every_known_risk_is_counted_and_explained():
    found = check(
        cell("DSP48E1"),
        cell("DSP48E1"),
        cell("SRL16E"),
        cell("SRLC32E"),
        cell("RAM32M", INIT_A="0" * 60 + "0100"),
        cell("RAM64M", INIT_D="1" + "0" * 63),
        cell("RAM64X1D", INIT="1" * 64),
        cell("RAMB36E1", READ_WIDTH_A=f"{9:032b}"),
        cell("RAMB36E1", WRITE_WIDTH_B=9),
    )
    assert [line.split(":")[0] for line in found] == [
        "2 x DSP48E1",
        "3 x LUTRAM with initial contents",
        "2 x RAMB36E1 with a 1- or 9-bit port",
        "2 x shift registers in LUTs (SRL)",
    ]


def test_a_later_kind_of_the_same_families_is_named_too():
    assert len(check(cell("DSP48E2"), cell("SRL64E"))) == 2
