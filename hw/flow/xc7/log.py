"""What nextpnr's log says: clocks, cells, hold times.

The fork's logs are read in place of its reports, which only its newer versions write (0.9.3). The
lines are those of common/timing.cc (fork), common/kernel/timing_log.cc (mainline) and
print_utilisation in common/design_utils.cc, the same in both::

    Info: Device utilisation:
    Info: \t         SLICE_LUTX:  8140/65200    12%
    Info: Max frequency for clock 'cd_sync.clk': 184.03 MHz (PASS at 100.00 MHz)
    Warning: Hold/min time violation for clock 'posedge cd_sync.clk':
"""

import re

__all__ = ["hold_violations", "read_clocks", "read_utilisation"]

_CLOCK = re.compile(
    r"Max frequency for clock\s+'(.*?)': ([\d.]+) MHz \((?:PASS|FAIL) at ([\d.]+) MHz\)"
)
_CELLS = re.compile(r"^Info:\s+(\S+):\s*(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)
_HOLD = re.compile(r"Hold/min time violation")


def read_clocks(log: str) -> dict[str, dict[str, float]]:
    """Clocks as a report's "fmax" has them: ``{name: {"achieved", "constraint"}}``, MHz.

    A log names each twice, as estimated after placement and as routed: the last counts.
    """
    return {
        name: {"achieved": float(achieved), "constraint": float(asked)}
        for name, achieved, asked in _CLOCK.findall(log)
    }


def read_utilisation(log: str) -> dict[str, dict[str, int]]:
    """Cells as a report's "utilization" has them: ``{kind: {"used", "available"}}``."""
    return {
        kind: {"used": int(used), "available": int(available)}
        for kind, used, available in _CELLS.findall(log)
    }


def hold_violations(log: str) -> int:
    """How many paths are too short by the router's estimate. One may be told several times."""
    return len(_HOLD.findall(log))
