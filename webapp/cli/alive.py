"""`comptoir alive`: whether the role in this container is well, for its health check. Imports next to nothing."""

import http.client
import os
import sys
import time
from pathlib import Path

import click

WAIT_SECONDS = 4
SILENT_SECONDS_MAX = 20


@click.command()
@click.argument("role", type=click.Choice(["web", "worker", "clock"]))
def alive(role: str) -> None:
    """Exit with 0 if web answers, or if worker or clock touched their heartbeat file within 20 seconds."""
    fault = _web() if role == "web" else _beat()
    if fault:
        click.echo(f"comptoir: {role} is not well: {fault}", err=True)
        sys.exit(1)


def _web() -> str:
    line = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("COMPTOIR_PORT", "8000")), timeout=WAIT_SECONDS)
    try:
        line.request("GET", "/livez")
        status = line.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"it does not answer ({error})"
    finally:
        line.close()
    return "" if status == http.HTTPStatus.OK else f"/livez answers {status}"


def _beat() -> str:
    path = os.environ.get("COMPTOIR_HEARTBEAT_FILE", "")
    if not path:
        return "COMPTOIR_HEARTBEAT_FILE is not set, so it leaves no sign of life"
    try:
        silent = time.time() - Path(path).stat().st_mtime
    except OSError as error:
        return f"{path}: {error.strerror}"
    return "" if silent <= SILENT_SECONDS_MAX else f"nothing was heard of it for {silent:.0f} seconds"
