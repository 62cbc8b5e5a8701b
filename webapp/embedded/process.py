"""One server as a child process that ends with us."""

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webapp.embedded import launch

POLL_SECONDS = 0.02
LOG_LIMIT_BYTES = 10 * 1024 * 1024
COMPLAINT = re.compile(r"FATAL:|PANIC:|rror:|comptoir:")


class EmbeddedError(Exception):
    """Say in one line what hinders the one-command run and how to get past it."""


class ServerFailed(EmbeddedError):
    """A server of the one-command run did not start."""


class WheelMissing(EmbeddedError):
    """The servers' wheels are not installed."""


def wheel_file(package: str, *parts: str) -> Path:
    """Find a file of a wheel without importing it; raises WheelMissing."""
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent.joinpath(*parts) if spec and spec.origin else None
    if path is None or not path.is_file():
        message = (
            f"the embedded servers are not installed (no {package}): run pip install 'comptoir[embedded]', "
            "or set COMPTOIR_DATABASE_URL and COMPTOIR_REDIS_URL"
        )
        raise WheelMissing(message)
    return path


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a launched process becomes.

    `run` is the program; `first`, if any, prepares the directory `rename[0]` that then becomes `rename[1]`. `owned`
    are the directories that the program writes. `death_signal` is what it gets when our thread ends.
    """

    run: Sequence[str]
    owned: Sequence[Path]
    death_signal: signal.Signals
    leave_root: bool = False
    first: Sequence[str] | None = None
    rename: tuple[Path, Path] | None = None

    def as_json(self) -> str:
        """Write the plan for `launch.py`."""
        return json.dumps(
            {
                "parent": os.getpid(),
                "run": list(self.run),
                "owned": [str(path) for path in self.owned],
                "death_signal": int(self.death_signal),
                "leave_root": self.leave_root,
                "first": list(self.first) if self.first else None,
                "rename": [str(path) for path in self.rename] if self.rename else None,
            }
        )


@dataclass(slots=True)
class ServerProcess:
    """A launched server and the file that its words go to.

    The kernel ends the server with the thread that called `launch`: call it from a thread that stays.
    """

    name: str
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def launch(self, plan: Plan) -> None:
        """Start the process; returns at once."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as words:
            self.process = subprocess.Popen(  # noqa: S603 the command is ours
                [sys.executable, "-I", "-S", launch.__file__, plan.as_json()],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                # Nothing of the caller's PG… or Python settings may reach the servers.
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                # Ctrl-C on the terminal is for the supervisor, which stops the servers last.
                start_new_session=True,
                close_fds=True,
            )

    @property
    def pid(self) -> int | None:
        """Tell the process id, if it was launched."""
        return self.process.pid if self.process else None

    def exit_code(self) -> int | None:
        """Tell the exit code once the process ended; None while it runs."""
        return self.process.poll() if self.process else None

    def last_words(self) -> str:
        """Quote the last complaint in the log and its detail, else the last line."""
        try:
            lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        except OSError:
            return ""
        complaints = [n for n, line in enumerate(lines) if COMPLAINT.search(line)]
        if not complaints:
            return lines[-1] if lines else ""
        told = lines[complaints[-1] :][:2]
        kept = [line for line in told if line is told[0] or "DETAIL:" in line]
        return ": ".join(re.split(r"(?:FATAL|PANIC|DETAIL):  ", line)[-1] for line in kept)

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Wait until `ready`; raises ServerFailed when the process ends first or the time is over."""
        end = time.monotonic() + timeout_seconds
        while not ready():
            code = self.exit_code()
            if code is not None:
                raise ServerFailed(self._failure(code))
            if time.monotonic() > end:
                message = f"{self.name} was not ready after {timeout_seconds:.0f} s: see {self.log}"
                raise ServerFailed(message)
            time.sleep(POLL_SECONDS)

    def _failure(self, code: int) -> str:
        if code == launch.CANNOT_LEAVE_ROOT:
            return (
                f"{self.name} does not run as root and this machine allows no other way: run as an ordinary user, "
                "or set COMPTOIR_DATABASE_URL"
            )
        return f"{self.name} did not start: {self.last_words()} (log: {self.log})"

    def stop(self, *signals: signal.Signals, timeout_seconds: float) -> None:
        """Send each signal in turn until the process has ended; SIGKILL comes last."""
        if self.process is None:
            return
        for number in (*signals, signal.SIGKILL):
            if self.process.poll() is not None:
                break
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_seconds)
        self.process = None
