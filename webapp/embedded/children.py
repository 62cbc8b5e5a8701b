"""A process forked from the supervisor: nothing is imported twice, and it dies with it."""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from webapp.embedded import signals
from webapp.embedded.launch import die_with_parent, name_process

LINE_LENGTH_MAX = 64 * 1024


def end_session(session: int) -> None:
    """Kill what is left of a child's session, for example a job's own process."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == session and fields[0] != "Z":
                os.kill(int(entry.name), signal.SIGKILL)


def _forks_die_with_us() -> None:
    """See that also what this process forks (a job) ends with it, however it ends."""
    known: dict[str, int] = {}
    os.register_at_fork(
        before=lambda: known.update(parent=os.getpid()),
        after_in_child=lambda: die_with_parent(signal.SIGKILL, known["parent"]),
    )


@dataclass(slots=True)
class Child:
    """A role of the house in a process of its own. `output` is the reading end of what it writes, line by line."""

    name: str
    target: Callable[[], None]
    pid: int | None = field(default=None, init=False)
    output: int | None = field(default=None, init=False)
    exit_code: int | None = field(default=None, init=False)
    _rest: bytes = field(default=b"", init=False)

    def start(self, *foreign_files: int) -> int:
        """Fork and return `output`; the child closes `foreign_files`, which are the supervisor's own."""
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._live(parent, writing, [*foreign_files, reading])
        os.close(writing)
        os.set_blocking(reading, False)
        self.pid, self.output, self.exit_code, self._rest = pid, reading, None, b""
        return reading

    def _live(self, parent: int, writing: int, foreign_files: list[int]) -> None:
        """Become the child; never returns."""
        code = 1
        try:
            signals.give_back()
            # A session of its own: Ctrl-C on the terminal is for the supervisor, which stops us in order.
            os.setsid()
            die_with_parent(signal.SIGKILL, parent)
            # An operator, and whoever measures, tells web from worker by it.
            name_process(f"comptoir-{self.name}")
            _forks_die_with_us()
            for file in foreign_files:
                with contextlib.suppress(OSError):
                    os.close(file)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            os.close(writing)
            sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
            sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
            self.target()
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except KeyboardInterrupt:
            code = 130
        except BaseException:  # noqa: BLE001 whatever it was belongs into the log, and the supervisor starts us again
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            os._exit(code)

    def is_running(self) -> bool:
        """Tell whether it runs; buries it and keeps its exit code when it has ended."""
        if self.pid is None:
            return False
        found, status = os.waitpid(self.pid, os.WNOHANG)
        if found == 0:
            return True
        self.exit_code = os.waitstatus_to_exitcode(status)
        end_session(self.pid)
        self.pid = None
        return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Stop listening to it."""
        if self.output is not None:
            os.close(self.output)
            self.output, self._rest = None, b""

    def lines(self) -> list[str]:
        """Take the lines that it wrote since; closes the output at its end."""
        if self.output is None:
            return []
        try:
            chunk = os.read(self.output, LINE_LENGTH_MAX)
        except BlockingIOError:
            return []
        whole = self._rest + chunk
        if not chunk:
            self.hang_up()
            return [whole.decode(errors="replace")] if whole else []
        *complete, self._rest = whole.split(b"\n")
        if len(self._rest) > LINE_LENGTH_MAX:
            complete.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace").rstrip("\r") for line in complete if line.strip()]
