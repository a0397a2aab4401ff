"""What routers for 7-series print and write, put together after these sources:

- openXC7's nextpnr-xilinx: common/timing.cc (clocks), common/design_utils.cc (cells), and logs in
  its issues #107 (a whole run), #97 and #142 (routes that fail), #91 (missed timing);
- YosysHQ's nextpnr: common/kernel/timing_log.cc, common/kernel/report.cc (the JSON), issue #1803
  (hold times);
- prjxray's utils/fasm2frames.py and openXC7 #112 (features that contradict each other);
- Vivado: report_timing_summary and report_utilization as public projects keep them.

Numbers are those that were measured on an UART echo with popcounts (2026-09); lines of no interest
are left out.
"""

__all__ = [
    "FORK", "FORK_MISSED", "FORK_ON_THE_PAD", "FORK_UNROUTABLE", "INCONSISTENT", "MAINLINE",
    "MAINLINE_ABORT", "MAINLINE_HOLD", "MAINLINE_REPORT", "VIVADO_CELLS", "VIVADO_TIMING",
]  # fmt: skip

_PACKED = """\
Info: constrained 'clk100_0__io' to bel 'IOB_X1Y126/IOB33/PAD'
Info: Packing constants..
Info: Device utilisation:
Info: \t          SLICE_LUTX:  8140/65200    12%
Info: \t           SLICE_FFX:  4263/65200     6%
Info: \t              CARRY4:   500/ 8150     6%
Info: \t   RAMB36E1_RAMB36E1:     2/   75     2%
Info: \t                 PAD:     7/  558     1%
"""
_PLACED = """\
Info: Max frequency for clock 'cd_sync.clk': 131.20 MHz (PASS at 100.00 MHz)
Info: Running router2...
Info:     iter=1 wires=61210 overused=5291 overuse=2907 archfail=NA
"""
_ROUTED = "Info: Router2 time 12.51s\n"

FORK = f"""\
{_PACKED}{_PLACED}{_ROUTED}\
Info: Max frequency for clock 'cd_sync.clk': 143.04 MHz (PASS at 100.00 MHz)
Info: Max delay <async>                          -> posedge cd_sync.clk: 6.80 ns
0 warnings, 0 errors
"""
# After placement it looked well.
FORK_MISSED = f"""\
{_PACKED}{_PLACED}{_ROUTED}\
Warning: Max frequency for clock 'cd_sync.clk': 91.27 MHz (FAIL at 100.00 MHz)
1 warning, 0 errors
"""
FORK_ON_THE_PAD = f"""\
{_PACKED}{_ROUTED}\
Info: Max frequency for clock 'cd_sync.clk': 143.04 MHz (PASS at 12.00 MHz)
"""
FORK_UNROUTABLE = f"""\
{_PACKED}{_PLACED}\
ERROR: Failed to route arc 0 of net 'x.Y[15]', from SITEWIRE/SLICE_X28Y87/CARRY4_O3 to \
SITEWIRE/SLICE_X28Y87/AFFMUX_OUT.
ERROR: Routing design failed.
1 warning, 2 errors
"""
MAINLINE = FORK.replace("143.04", "183.99")
MAINLINE_HOLD = MAINLINE + """\
Warning: Hold/min time violation for clock 'posedge cd_sync.clk':
Info:       type curr  total name
Info:   clk-to-q  0.30  0.30 Source core.buffer.Q
Info:    routing  0.35  0.65 Net core.word (31,5) -> (1,13)
Info:       hold -0.67 -0.02 Sink core.ram.0.0.DIBDI11
"""
MAINLINE_ABORT = """\
terminate called after throwing an instance of 'nextpnr_himbaechel::assertion_failure'
  what():  Assertion failure: Package 'icsg324' not found (himbaechel/uarch/xilinx/xilinx.cc:98)
"""
MAINLINE_REPORT = {
    "critical_paths": [
        {
            "from": "posedge cd_sync.clk",
            "to": "posedge cd_sync.clk",
            "path": [
                {
                    "delay": 0.3,
                    "from": {"cell": "a", "port": "CK", "loc": [1, 2]},
                    "to": {"cell": "a", "port": "Q", "loc": [1, 2]},
                    "type": "clk-to-q",
                }
            ],
        }
    ],
    "fmax": {"cd_sync.clk": {"achieved": 183.98895263671875, "constraint": 100.0}},
    "utilization": {
        "SLICE_LUTX": {"available": 65200, "used": 8140},
        "RAMB36E1": {"available": 75, "used": 2},
        "DSP48E1": {"available": 120, "used": 0},
    },
}

INCONSISTENT = """\
Traceback (most recent call last):
  File "/usr/bin/fasm2frames", line 272, in <module>
    main()
prjxray.fasm_assembler.FasmInconsistentBits: FASM line "BRAM_L_X6Y225.RAMB18_Y1.READ_WIDTH_B_1" \
wanted to clear bit (131867, 59, 19) but was set by FASM line \
"BRAM_L_X6Y225.RAMB18_Y1.READ_WIDTH_B_18"
"""

_RULE = "-" * 96
VIVADO_TIMING = f"""\
12. checking latch_loops (0)
----------------------------
 There are 0 combinational latch loops in the design through latch input

{_RULE}
| Design Timing Summary
| ---------------------
{_RULE}

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)
    -------      -------  ---------------------  -------------------      -------      -------
      0.612        0.000                      0                14723        0.022        0.000

All user specified timing constraints are met.

{_RULE}
| Clock Summary
| -------------
{_RULE}

Clock          Waveform(ns)         Period(ns)      Frequency(MHz)
-----          ------------         ----------      --------------
clk100_0__io   {{0.000 5.000}}        10.000          100.000
  cd_sync.clk  {{0.000 4.167}}        8.333           120.000
  feedback     {{0.000 5.000}}        10.000          100.000

{_RULE}
| Intra Clock Table
| -----------------
{_RULE}

Clock             WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)
-----             -------      -------  ---------------------  -------------------      -------
clk100_0__io
  cd_sync.clk       0.612        0.000                      0                14723        0.022
  feedback

{_RULE}
| Inter Clock Table
| -----------------
{_RULE}
"""
VIVADO_CELLS = """\
+----------------------------+------+-------+------------+-----------+-------+
|          Site Type         | Used | Fixed | Prohibited | Available | Util% |
+----------------------------+------+-------+------------+-----------+-------+
| Slice LUTs                 | 9012 |     0 |          0 |     20800 | 43.33 |
|   LUT as Logic             | 7988 |     0 |          0 |     20800 | 38.40 |
|   LUT as Memory            | 1024 |     0 |          0 |      9600 | 10.67 |
|     LUT as Distributed RAM | 1024 |     0 |            |           |       |
|     LUT as Shift Register  |    0 |     0 |            |           |       |
| Slice Registers            | 6100 |     0 |          0 |     41600 | 14.66 |
|   Register as Flip Flop    | 6100 |     0 |          0 |     41600 | 14.66 |
+----------------------------+------+-------+------------+-----------+-------+
| Block RAM Tile             | 10.5 |     0 |          0 |        50 | 21.00 |
|   RAMB36/FIFO*             |   10 |     0 |          0 |        50 | 20.00 |
| DSPs                       |    8 |     0 |          0 |        90 |  8.89 |
+----------------------------+------+-------+------------+-----------+-------+
"""
