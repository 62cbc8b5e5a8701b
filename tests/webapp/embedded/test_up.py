"""`comptoir up` as a person sees it: one command, one log, one address, and nothing left behind."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.webapp.embedded.conftest import is_running, processes_naming, wait_until
from webapp.embedded import supervisor
from webapp.embedded.instance import Instance

UP = "from webapp.cli.up import up; up(prog_name='comptoir up')"


class House:
    """A running `comptoir up` and what it has said so far."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        environ = dict(os.environ)
        self.process = subprocess.Popen(
            [sys.executable, "-c", UP, "--port", "0", "--data-dir", str(data_dir), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def ready_lines(self) -> list[str]:
        """The lines that announce readiness."""
        return [line for line in self.lines if line.startswith("ready ")]

    def wait_ready(self) -> str:
        """Wait for the address."""
        wait_until(lambda: self.ready_lines or self.process.poll() is not None, "the house is ready")
        assert self.ready_lines, "\n".join(self.lines)
        return self.ready_lines[0].removeprefix("ready ")

    def wait_said(self, words: str) -> None:
        """Wait until a line of the log holds the words."""
        wait_until(lambda: any(words in line for line in self.lines), f"the log says {words!r}")

    def status(self, path: str) -> int:
        """Ask a path and return the status; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(self.wait_ready() + path, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def roles(self) -> list[int]:
        """List the forked processes: web, worker and clock."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        mine = Path(f"/proc/{self.process.pid}/cmdline").read_bytes()
        return [int(pid) for pid in children if Path(f"/proc/{pid}/cmdline").read_bytes() == mine]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to stop and wait until it did."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.hear_out()
        return code

    def hear_out(self) -> None:
        """Take the last words of a house that has ended."""
        self._reader.join(10)
        assert self.process.stdout
        self.process.stdout.close()


Start = Callable[..., House]


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    """Start houses on the data directory; those that still run at the end are killed."""
    houses: list[House] = []

    def run(*arguments: str) -> House:
        houses.append(House(data_dir, *arguments))
        return houses[-1]

    yield run
    for house in houses:
        with contextlib.suppress(ProcessLookupError):
            house.process.kill()
        house.process.wait()
        house.hear_out()
    wait_until(lambda: not processes_naming(str(data_dir)), "nothing names the data directory")


def test_a_first_start_says_one_address_and_how_to_sign_in_and_a_stop_leaves_nothing(start: Start, data_dir: Path):
    house = start("--no-demo")
    address = house.wait_ready()
    assert house.status("/readyz") == 200
    assert len(house.ready_lines) == 1
    before = house.lines[: house.lines.index(f"ready {address}")]
    assert any(address in line for line in before), "no line tells how to sign in"
    assert house.stop() == 0
    assert processes_naming(str(data_dir)) == []
    assert house.lines[-1].endswith("stopped")
    assert not any("Traceback" in line for line in house.lines), "\n".join(house.lines)


def test_a_second_start_has_the_data_of_the_first(start: Start, data_dir: Path):
    first = start("--no-demo")
    first.wait_ready()
    first.stop(signal.SIGTERM)
    secret = (data_dir / "secret").read_text()
    second = start("--no-demo")
    second.wait_ready()
    assert (data_dir / "secret").read_text() == secret
    assert second.stop() == 0


def test_the_log_is_readable(start: Start):
    house = start("--no-demo")
    house.wait_ready()
    house.status("/nothing/here")
    house.wait_said("request method=GET")
    assert not any(line.startswith("{") for line in house.lines)
    assert any(" web " in line and "status=404" in line for line in house.lines)


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_recovers(start: Start, data_dir: Path):
    house = start("--no-demo")
    house.wait_ready()
    house.process.kill()
    house.process.wait()
    second = start("--no-demo")
    second.wait_ready()
    roles = {pid for pid in processes_naming(str(data_dir)) if is_running(pid)}
    assert second.process.pid in roles
    assert house.process.pid not in roles
    assert second.stop() == 0
    assert processes_naming(str(data_dir)) == []


def test_whatever_is_killed_is_started_again(start: Start, data_dir: Path):
    house = start("--no-demo")
    house.wait_ready()
    for pid in house.roles():
        os.kill(pid, signal.SIGKILL)
    for name in ("web", "worker", "clock"):
        house.wait_said(f"{name} ended (-9); starting it again")
    wait_until(lambda: house.status("/readyz") == 200, "the house is ready again")
    for name, file in (("PostgreSQL", "bin/postgres"), ("Valkey", "valkey-server")):
        children = Path(f"/proc/{house.process.pid}/task/{house.process.pid}/children").read_text().split()
        (server,) = [pid for pid in children if file.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(int(server), signal.SIGKILL)
        house.wait_said(f"{name} ended (-9); starting it again")
        wait_until(lambda: house.status("/readyz") == 200, "the house is ready again")
    assert house.stop() == 0
    assert processes_naming(str(data_dir)) == []


def test_a_command_beside_the_house_uses_its_servers(start: Start, data_dir: Path):
    address = start("--no-demo").wait_ready()
    with Instance(data_dir, {}).servers(valkey=True) as settings:
        assert Instance(data_dir, {}).postgres.running_dsn() == settings.database_url
        assert settings.base_url == address


def test_ctrl_c_while_it_starts_leaves_nothing(start: Start, data_dir: Path):
    house = start("--no-demo")
    wait_until((data_dir / "instance.lock").exists, "the house has begun to start")
    wait_until(lambda: processes_naming("postgres/data"), "PostgreSQL is starting")
    assert house.stop() == 0, house.lines
    assert house.ready_lines == []
    assert processes_naming(str(data_dir)) == []


def test_a_stop_while_it_starts_is_a_stop_whatever_the_interrupted_import_makes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except Exception as error:
            # As Python tells of what is raised while a class takes the name of a field.
            raise RuntimeError("Error calling __set_name__") from error

    monkeypatch.setattr(supervisor.roles, "preload", interrupted)
    monkeypatch.setattr(supervisor.Instance, "check_given_servers", lambda *_: None)
    given = {"COMPTOIR_DATABASE_URL": "postgresql://owner@db.example/books", "COMPTOIR_REDIS_URL": "redis://q.example"}
    before = signal.getsignal(signal.SIGINT)
    supervisor.Supervisor(tmp_path / "data", port=0, demo=False, out=io.StringIO(), environ=given).run()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_external_database_and_valkey_are_used_as_given(start: Start, data_dir: Path, tmp_path: Path):
    given = Instance(tmp_path / "given", {})
    given.prepare()
    postgres, valkey = given.postgres, given.valkey
    try:
        environ = {"COMPTOIR_DATABASE_URL": postgres.start(), "COMPTOIR_REDIS_URL": valkey.start()}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            house = start("--no-demo")
        house.wait_ready()
        assert not (data_dir / "postgres").exists()
        assert json.loads(urllib.request.urlopen(house.wait_ready() + "/readyz", timeout=5).read())["status"] == "ok"
        assert house.stop() == 0
    finally:
        valkey.stop()
        postgres.stop()
