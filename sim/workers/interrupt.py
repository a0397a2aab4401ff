"""Ctrl-C as a question that the work answers where its records are consistent."""

import signal
import threading

__all__ = ["Cut", "Interrupt"]


class Cut(BaseException):
    """Ctrl-C, raised wherever it comes; like KeyboardInterrupt no Exception, so none takes it."""


class Interrupt:
    """Context manager: the first Ctrl-C only sets ``asked``, the second does what it always did.

    While ``abrupt`` is set, the first one also raises `Cut` on the spot: for work that takes
    seconds without asking, or that no exception spoils.
    Does nothing outside of the main thread, which alone gets signals, and where Ctrl-C is ignored.
    """

    def __init__(self) -> None:
        self.asked = False
        self.abrupt = False
        self._before = None

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if before not in (None, signal.SIG_IGN):
                self._before = before
                signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def _handle(self, number: int, frame: object) -> None:
        self._restore()
        self.asked = True
        if self.abrupt:
            raise Cut

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
