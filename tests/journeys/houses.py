"""A house as a person runs it: `comptoir up` in a process of its own, its commands, and the processes that it is of."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("comptoir")
COMMAND = (
    [str(SCRIPT)]
    if SCRIPT.exists()
    else [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from webapp.cli.main import main; main()",
    ]
)
DEADLINE_SECONDS = 60.0
ROLES = ("web", "worker", "clock")

BUSY = {
    f"COMPTOIR_{name}": "1000000"
    for name in ("PAGES_PER_MINUTE", "MONEY_MOVES_PER_MINUTE", "SIGN_IN_PER_5_MINUTES", "API_REQUESTS_PER_MINUTE")
}
"""A journey does in a minute what a person does in a day."""


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for a condition; fail with `what` when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)


def _stat(pid: int | str) -> tuple[str, str, int]:
    """Return a process's name, state and parent."""
    text = Path(f"/proc/{pid}/stat").read_text()
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return name, fields[0], int(fields[1])


class House:
    """A running `comptoir up`, what it has said so far, and its processes by name."""

    def __init__(self, data_dir: Path, *arguments: str, environ: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.environ = {**os.environ, **BUSY, **(environ or {})}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*COMMAND, "up", "--port", "0", "--data-dir", str(data_dir), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environ,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, beginning: str) -> list[str]:
        """Return the lines that begin so."""
        return [line for line in self.lines if line.startswith(beginning)]

    def wait_ready(self) -> str:
        """Wait for the address and return it."""
        wait_until(lambda: self.said("ready ") or self.process.poll() is not None, "the house is ready")
        assert self.said("ready "), "\n".join(self.lines)
        return self.said("ready ")[0].removeprefix("ready ")

    def run(self, *words: str) -> str:
        """Run another command of the house beside it and return what it prints."""
        done = subprocess.run(
            [*COMMAND, *words, "--data-dir", str(self.data_dir)],
            capture_output=True,
            text=True,
            check=False,
            env=self.environ,
            timeout=DEADLINE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def is_ready(self) -> bool:
        """Ask /readyz."""
        try:
            with urllib.request.urlopen(f"{self.wait_ready()}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def children(self, parent: int | None = None) -> dict[int, str]:
        """Return the living processes below one (the supervisor by default): id and name."""
        parent = self.process.pid if parent is None else parent
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                name, state, above = _stat(entry.name)
                if above == parent and state not in {"Z", "X"}:
                    found[int(entry.name)] = name
        return found

    def pid(self, name: str) -> int | None:
        """Return the process of a role or server: web, worker, clock, postgres, valkey."""
        wanted = f"comptoir-{name}" if name in ROLES else {"valkey": "valkey-server"}.get(name, name)
        return next((pid for pid, seen in self.children().items() if seen == wanted), None)

    def backends(self) -> list[int]:
        """Return PostgreSQL's processes that serve web, worker or clock."""
        postmaster = self.pid("postgres")
        found = []
        for pid in self.children(postmaster) if postmaster else ():
            with contextlib.suppress(OSError):
                if b"comptoir_app" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return sorted(found)

    def stop(self) -> int:
        """Ask it to stop (Ctrl-C) and wait until it did."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(DEADLINE_SECONDS)
        self.hear_out()
        return code

    def hear_out(self) -> None:
        """Take the last words of a house that has ended."""
        self._reader.join(10)
        assert self.process.stdout
        self.process.stdout.close()

    def end(self) -> None:
        """See that nothing is left of it, however the test ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.hear_out()
