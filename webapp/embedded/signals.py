"""The supervisor's signals, taken as events of its loop."""

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

SUPERVISED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class Signals:
    """While it listens, each signal wakes whoever waits for `reading`; all but SIGCHLD also call `on_stop` at once."""

    def __init__(self, on_stop: Callable[[], None]) -> None:
        self.on_stop = on_stop
        self._before: dict[signal.Signals, Any] = {}
        self.reading, self.writing = os.pipe()
        for file in (self.reading, self.writing):
            os.set_blocking(file, False)

    def listen(self) -> None:
        """Take the signals from here on."""
        signal.set_wakeup_fd(self.writing, warn_on_full_buffer=False)
        for number in SUPERVISED:
            self._before[number] = signal.signal(number, self._take)

    def close(self) -> None:
        """Give the signals back to whom they belonged."""
        if self._before:
            signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for file in (self.reading, self.writing):
            os.close(file)

    def drain(self) -> None:
        """Forget the wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.reading, 4096)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.on_stop()


def give_back() -> None:
    """Let the signals do what they do by themselves, in a forked child."""
    signal.set_wakeup_fd(-1)
    for number in SUPERVISED:
        signal.signal(number, signal.SIG_DFL)
