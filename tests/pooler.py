"""PgBouncer in transaction mode between application and server (a package of Debian), when it is asked for."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from flask import Flask
from sqlalchemy.engine import URL

from webapp.embedded.process import Plan, ServerProcess
from webapp.kernel.db import Database, app_url
from webapp.settings import Settings
from webapp.web.state import KEY

ASKED = os.environ.get("COMPTOIR_TEST_PGBOUNCER", "") not in {"", "0"}
"""Whether the whole run goes through PgBouncer."""
PORT = 6432
SERVER_CONNECTIONS = 2
"""So few that clients must share them: what one leaves behind, another finds."""


def program() -> str | None:
    """Return where PgBouncer is, None when it is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


@contextmanager
def pgbouncer(settings: Settings) -> Iterator[URL]:
    """Run PgBouncer before the settings' server and yield the application's address through it."""
    server = parse_qs(urlsplit(settings.database_url).query)
    found = program()
    assert found, "PgBouncer is not installed: apt install pgbouncer"
    with tempfile.TemporaryDirectory(prefix="comptoir-pooler-") as folder:
        home = Path(folder)
        (home / "users").write_text('"comptoir_app" ""\n')
        (home / "pgbouncer.ini").write_text(
            f"[databases]\ncomptoir = host={server['host'][0]} port={server['port'][0]} dbname=comptoir\n"
            f"[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {home}\nauth_type = trust\n"
            f"auth_file = {home}/users\npool_mode = transaction\ndefault_pool_size = {SERVER_CONNECTIONS}\n"
            "max_client_conn = 200\nignore_startup_parameters = extra_float_digits\nlog_connections = 0\n"
            "log_disconnections = 0\n"
        )
        process = ServerProcess("PgBouncer", home / "pooler.log")
        process.launch(
            Plan(run=[found, str(home / "pgbouncer.ini")], owned=[home], death_signal=signal.SIGINT, leave_root=True)
        )
        url = app_url(settings.database_url, settings.secret_key)
        url = url.set(query={"host": str(home), "port": str(PORT)})
        try:
            process.wait_until(lambda: _answers(url), timeout_seconds=10)
            yield url
        finally:
            process.stop(signal.SIGINT, timeout_seconds=5)


def _answers(url: URL) -> bool:
    try:
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)):
            return True
    except psycopg.OperationalError:
        return False


@contextmanager
def database_of(app: Flask, url: URL | None = None, **options: Any) -> Iterator[Database]:
    """Let the application use another pool for a while: through PgBouncer with `url`, of another size, …"""
    services = app.extensions[KEY]
    settings: Settings = services.settings
    address = url or services.database.engine.url
    pooler = url is not None or settings.database_pooler or ASKED
    database = Database(address, pooler=pooler, **{"pool_size": settings.database_pool_size, **options})
    database.keys = services.keys
    app.extensions[KEY] = replace(services, database=database)
    try:
        yield database
    finally:
        app.extensions[KEY] = services
        database.close()
