"""Ports: where a board is. A serial line here; the simulated board is `sim.link.port`'s."""

import errno
import os
import time
from contextlib import AbstractContextManager, closing, suppress
from typing import Protocol

import serial
from serial.tools import list_ports

from hw.host.errors import LinkError

__all__ = ["Port", "SerialPort", "open_serial"]

# How long a reply may be late: the driver's and the USB chip's buffers, a busy host.
LATENCY = 0.3
CHUNK = 4096


class Port(Protocol):
    """A line of bytes. ``baud`` : its bits a second, ten to a byte. ``latency`` : seconds that a
    reply may take beyond its time on the line."""

    name: str
    baud: float
    latency: float

    def now(self) -> float:
        """Seconds of the clock that ``read`` and ``latency`` mean."""

    def write(self, data: bytes) -> None:
        """Send; may return before all is on the line."""

    def read(self, seconds: float) -> bytes:
        """What has come, waiting for it at most so long; empty when nothing came."""

    def forget(self) -> None:
        """Drop what came and was not read."""

    def close(self) -> None:
        """Give the port back."""


class SerialPort:
    """A `Port` over pyserial; raises LinkError when the board is unplugged."""

    latency = LATENCY

    def __init__(self, device: serial.Serial):
        self._device = device
        self.name, self.baud = device.port, float(device.baudrate)

    def now(self) -> float:
        return time.monotonic()

    def write(self, data: bytes) -> None:
        try:
            self._device.write(data)
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from error

    def read(self, seconds: float) -> bytes:
        try:
            waiting = self._device.in_waiting
            self._device.timeout = 0 if waiting else max(seconds, 0)
            return self._device.read(min(waiting, CHUNK) or 1)
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from error

    def forget(self) -> None:
        with suppress(serial.SerialException, OSError):
            self._device.reset_input_buffer()

    def close(self) -> None:
        self._device.close()

    def _gone(self, error: Exception) -> LinkError:
        return LinkError(f"{self.name}: the port went away ({error}): is the cable plugged in?")


def open_serial(name: str, baud: int) -> AbstractContextManager[SerialPort]:
    """A serial port, closed at the end of a ``with``; raises LinkError that says what to do."""
    try:
        device = serial.Serial(name, baud, exclusive=True)
    except (serial.SerialException, OSError, ValueError) as error:
        raise LinkError(_why(name, baud, error)) from error
    with suppress(AttributeError, ValueError, OSError):
        # Else the driver holds replies back for up to 16 ms; not every driver knows this.
        device.set_low_latency_mode(True)
    return closing(SerialPort(device))


def _why(name: str, baud: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if isinstance(error, ValueError):
        return f"{name}: this port cannot be set to {baud} baud: choose another --baud"
    if number == errno.EACCES:
        return (
            f"{name}: no rights to this port: join the group it belongs to (often dialout: "
            "sudo usermod -aG dialout $USER, then log in again)"
        )
    if number == errno.ENOENT or not os.path.exists(name):
        found = sorted(port.device for port in list_ports.comports())
        there = f"ports here: {', '.join(found)}" if found else "no serial port is there at all"
        return f"{name}: no such port ({there}): plug the board in and name its port with --port"
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "lock" in str(error):
        return f"{name}: in use by another program: end that first"
    return f"{name}: cannot be opened as a serial port: {error}"
