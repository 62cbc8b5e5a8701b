"""The one-command run: servers, web, worker and clock under one roof, in one log, stopped in order.

Everything is made for a quick start: the servers start while the application is imported, the roles are forked from the
process that imported it, and web comes up while the demo workspace is made.
"""

import contextlib
import errno
import gc
import http.client
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from webapp.embedded import roles
from webapp.embedded.attempts import Attempts
from webapp.embedded.children import Child
from webapp.embedded.instance import Instance, given
from webapp.embedded.log_view import LogView
from webapp.embedded.process import EmbeddedError
from webapp.embedded.signals import Signals

if TYPE_CHECKING:
    from webapp.embedded.postgres import EmbeddedPostgres
    from webapp.embedded.valkey import EmbeddedValkey
    from webapp.settings import Settings

READY_TIMEOUT_SECONDS = 180
READY_POLL_SECONDS = 0.05
FAILURES_BEFORE_READY_MAX = 5
GRACE_SECONDS = {"web": 10, "worker": 20, "clock": 5, "setup": 5}


class PortTaken(EmbeddedError):
    """Another program listens on the port."""


class StartFailed(EmbeddedError):
    """A role of the house did not come up."""


class StopAsked(Exception):
    """Somebody pressed Ctrl-C while the servers were starting."""


def free_port(host: str, port: int) -> int:
    """Return the port if nobody has it (0 chooses one); raises PortTaken."""
    try:
        with socket.create_server((host, port)) as listener:
            return int(listener.getsockname()[1])
    except PermissionError:
        raise PortTaken(f"port {port} may not be opened by this user: choose one above 1023 with --port") from None
    except (OSError, OverflowError) as error:
        is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is taken by another program: stop it, or" if is_taken else f"cannot be opened ({error}):"
        raise PortTaken(f"port {port} {reason} choose another port with --port") from None


class Supervisor:
    """One run of the house."""

    def __init__(
        self, data_dir: Path | str, *, port: int, demo: bool, out: TextIO, environ: Mapping[str, str] | None = None
    ) -> None:
        self.environ = os.environ if environ is None else environ
        self.instance = Instance(data_dir, self.environ)
        self.port = port
        self.demo = demo
        self.view = LogView(out, self.environ)
        self.began = time.monotonic()
        self.servers: dict[str, EmbeddedPostgres | EmbeddedValkey] = {}
        self.children: dict[str, Child] = {}
        self.attempts: dict[str, Attempts] = {}
        self.selector = selectors.DefaultSelector()
        self.sign_in_lines: list[str] | None = None
        self.is_migrated = False
        self.is_ready = False
        self.is_starting_servers = True
        self.stops_asked = 0
        self._reports: int | None = None
        self.signals = Signals(self._take_stop)

    # The life of a run

    def run(self) -> None:
        """Start everything, keep it running until SIGINT or SIGTERM, stop it in order; raises EmbeddedError."""
        self.instance.prepare()
        self.instance.lock()
        is_refused = True
        try:
            host = self.environ.get("COMPTOIR_HOST", "127.0.0.1")
            self.port = free_port(host, self.port)
            self.signals.listen()
            self.selector.register(self.signals.reading, selectors.EVENT_READ, self.signals.drain)
            try:
                settings = self._start_servers()
                self._start_roles(settings)
                self._keep(settings)
            except Exception as error:
                # A stop is raised wherever the start stands, and what it interrupts may tell of it in words of its own.
                if not isinstance(error, StopAsked) and not (self.is_starting_servers and self.stops_asked):
                    raise
            is_refused = False
        finally:
            self._stop()
            if is_refused and not self.attempts:
                self.instance.discard()
            self.signals.close()
            self.selector.close()
            self.instance.unlock()

    def _start_servers(self) -> "Settings":
        """Start what is ours at once, import the application meanwhile, and return the settings."""
        if self.instance.has_own_postgres:
            self.servers["postgres"] = self.instance.postgres
        if self.instance.has_own_valkey:
            self.servers["valkey"] = self.instance.valkey
        addresses: dict[str, str | None] = dict.fromkeys(("postgres", "valkey"))
        # Whatever is wrong with the settings is said before anything starts.
        self.instance.check_given_servers(self._settings(addresses))
        for name, server in self.servers.items():
            attempts = self._attempts(name)
            server.launch()
            attempts.begun(time.monotonic())
        roles.preload()
        addresses |= {name: server.wait_ready() for name, server in self.servers.items()}
        settings = self._settings(addresses)
        self.is_starting_servers = False
        if self.stops_asked:
            raise StopAsked
        return settings

    def _settings(self, addresses: Mapping[str, str | None]) -> "Settings":
        """Read the settings with the addresses of our own servers (a placeholder until they are known)."""
        base = {} if given(self.environ, "BASE_URL") else {"base_url": self.base_url}
        own = {name: addresses[name] or ("starting" if name in self.servers else None) for name in addresses}
        return self.instance.settings(database_url=own["postgres"], redis_url=own["valkey"], port=self.port, **base)

    @property
    def base_url(self) -> str:
        """The address that a person opens."""
        return f"http://127.0.0.1:{self.port}"

    def _start_roles(self, settings: "Settings") -> None:
        """Fork the set-up now and register the others, which follow when the schema is there."""
        self.instance.tell_address(settings.base_url)
        gc.collect()
        gc.freeze()
        self._reports, writing = os.pipe()
        os.set_blocking(self._reports, False)
        self._start_child(
            "setup", Child("setup", partial(roles.set_up, settings, self.base_url, demo=self.demo, reports=writing))
        )
        os.close(writing)
        self.selector.register(self._reports, selectors.EVENT_READ, self._hear_reports)

    def _start_child(self, name: str, child: Child) -> None:
        self.children[name] = child
        if child.output is not None:
            # What it left behind still holds the old pipe.
            self.selector.unregister(child.output)
            child.hang_up()
        heard = [key.fd for key in self.selector.get_map().values()]
        locks = [] if self.instance.lock_file is None else [self.instance.lock_file]
        output = child.start(*heard, *locks, self.selector.fileno(), self.signals.writing)
        self._attempts(name).begun(time.monotonic())
        self.selector.register(output, selectors.EVENT_READ, lambda: self._hear(child))

    def _attempts(self, name: str) -> Attempts:
        return self.attempts.setdefault(name, Attempts())

    # While it runs

    def _keep(self, settings: "Settings") -> None:
        """Pass on the log, restart what ends, announce readiness, until a stop is asked for."""
        give_up = time.monotonic() + READY_TIMEOUT_SECONDS
        self._pump(0)
        while not self.stops_asked:
            if self.is_migrated and "web" not in self.children:
                for name, target in roles.lasting(settings).items():
                    self._start_child(name, Child(name, target))
            self._tend_servers()
            self._tend_children()
            if not self.is_ready and self.sign_in_lines is not None:
                self._announce_if_ready()
            if not self.is_ready and time.monotonic() > give_up:
                raise StartFailed(f"not ready after {READY_TIMEOUT_SECONDS} s: {self._readiness()}")
            self._pump(1.0 if self.is_ready else READY_POLL_SECONDS)

    def _pump(self, timeout_seconds: float) -> None:
        """Wait for something to happen and pass it on."""
        pauses = [one.due - time.monotonic() for one in self.attempts.values() if one.due is not None]
        for key, _ in self.selector.select(max(0.0, min([timeout_seconds, *pauses]))):
            key.data()

    def _hear(self, child: Child) -> None:
        output = child.output
        for line in child.lines():
            self.view.line(child.name, line, datetime.now(UTC).astimezone())
        if child.output is None and output is not None:
            self.selector.unregister(output)

    def _hear_reports(self) -> None:
        """Take the steps that the set-up reports; raises StartFailed when it failed."""
        if self._reports is None:
            return
        chunk = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._reports, 65536):
                chunk += part
            self.selector.unregister(self._reports)
            os.close(self._reports)
            self._reports = None
        for line in chunk.splitlines():
            told = json.loads(line)
            if told["step"] == "failed":
                raise StartFailed(told["line"])
            self.is_migrated = True
            if told["step"] == "done":
                self.sign_in_lines = told["lines"]

    def _tend_servers(self) -> None:
        for name, server in self.servers.items():
            attempts, now = self._attempts(name), time.monotonic()
            if attempts.due is None:
                code = server.server.exit_code()
                if code is None:
                    continue
                pause = attempts.ended(now)
                self._say(f"{server.server.name} ended ({code}); starting it again in {pause:g} s", "warning")
            elif now >= attempts.due:
                server.launch()
                attempts.begun(time.monotonic())

    def _tend_children(self) -> None:
        for name, child in list(self.children.items()):
            attempts, now = self._attempts(name), time.monotonic()
            if attempts.due is not None:
                if now >= attempts.due:
                    self._start_child(name, child)
                continue
            if child.pid is None or child.is_running():
                continue
            if child.output is not None:
                self._hear(child)
            if name == "setup":
                self._set_up_ended(child)
                continue
            pause = attempts.ended(now)
            if not self.is_ready and attempts.failures >= FAILURES_BEFORE_READY_MAX:
                raise StartFailed(f"{name} ended {attempts.failures} times before it was ready: see the log above")
            self._say(f"{name} ended ({child.exit_code}); starting it again in {pause:g} s", "warning")

    def _set_up_ended(self, child: Child) -> None:
        """Bury the set-up, which runs once; raises StartFailed if it was killed before its end."""
        self._hear_reports()
        if self.sign_in_lines is None:
            raise StartFailed(f"the set-up was ended before it was done ({child.exit_code}): start again")

    # Readiness

    def _readiness(self) -> str:
        """Ask /readyz; returns an empty text when ready, else what is missing."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            line.request("GET", "/readyz")
            answer = line.getresponse()
            text = answer.read(2000).decode(errors="replace")
            return "" if answer.status == http.HTTPStatus.OK else f"/readyz answers {answer.status}: {text.strip()}"
        except (OSError, http.client.HTTPException) as error:
            return f"web does not answer: {error}"
        finally:
            line.close()

    def _announce_if_ready(self) -> None:
        if self._readiness():
            return
        self.is_ready = True
        seconds = time.monotonic() - self.began
        self._say(f"started in {seconds:.1f} s, data in {self.instance.data_dir}, stop with Ctrl-C")
        for line in self.sign_in_lines or []:
            self.view.say(line)
        self.view.say(f"ready {self.base_url}")

    def _say(self, text: str, level: str = "info") -> None:
        self.view.event("comptoir", datetime.now(UTC).astimezone(), text, level)

    # The end

    def _take_stop(self) -> None:
        self.stops_asked += 1
        if self.is_starting_servers and self.stops_asked == 1:
            raise StopAsked

    def _stop(self) -> None:
        """Stop web, worker, clock, Valkey and PostgreSQL, one after the other. A second Ctrl-C does not wait."""
        if self.attempts:
            self._say("stopping")
        self.is_starting_servers = False
        for attempts in self.attempts.values():
            attempts.due = None
        for name in ("setup", "web", "worker", "clock"):
            if name in self.children:
                self._stop_child(self.children[name])
        for name in ("valkey", "postgres"):
            if name in self.servers and name in self.attempts:
                self.servers[name].stop()
        if self.attempts:
            self.instance.forget_address()
            self._say("stopped")

    def _stop_child(self, child: Child) -> None:
        asked_before = self.stops_asked
        child.send(signal.SIGTERM)
        end = time.monotonic() + GRACE_SECONDS[child.name]
        while child.is_running():
            if time.monotonic() > end or self.stops_asked > asked_before:
                self._say(f"{child.name} is still at work and is killed", "warning")
                child.send(signal.SIGKILL)
                end = time.monotonic() + GRACE_SECONDS[child.name]
            with contextlib.suppress(StartFailed):
                self._pump(0.1)
        if child.output is not None:
            self._hear(child)
