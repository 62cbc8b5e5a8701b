"""What the supervisor's children do. Each function runs in a forked child and imports what the parent has imported."""

import importlib
import json
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webapp.settings import Settings

PRELOADED = (
    "webapp.app",
    "webapp.clock",
    "webapp.worker",
    "webapp.tenancy.migrations",
    "webapp.cli.demo",
    "webapp.cli.first_run",
    "webapp.embedded.failures",
)


def preload() -> None:
    """Import the whole application and build its mappers, so that no child does it again."""
    for name in PRELOADED:
        importlib.import_module(name)
    from sqlalchemy.orm import configure_mappers  # noqa: PLC0415 the application has imported it by now

    configure_mappers()


def lasting(settings: "Settings") -> dict[str, Callable[[], None]]:
    """Return the roles that run until they are told to stop, in the order in which they are stopped."""
    from webapp.app import serve  # noqa: PLC0415 preloaded
    from webapp.clock import tick  # noqa: PLC0415 preloaded
    from webapp.worker import work  # noqa: PLC0415 preloaded

    return {"web": partial(serve, settings), "worker": partial(work, settings), "clock": partial(tick, settings)}


def set_up(settings: "Settings", base_url: str, *, demo: bool, reports: int) -> None:
    """Migrate, make the demo workspace, find the sign-in lines; write each step as a JSON line to `reports`."""
    from webapp.cli.demo import ensure_demo  # noqa: PLC0415 preloaded
    from webapp.cli.first_run import sign_in_lines  # noqa: PLC0415 preloaded
    from webapp.embedded.failures import in_one_line  # noqa: PLC0415 preloaded
    from webapp.tenancy.migrations import migrate  # noqa: PLC0415 preloaded

    def report(**told: object) -> None:
        os.write(reports, json.dumps(told).encode() + b"\n")

    try:
        migrate(settings)
        report(step="migrated")
        if demo:
            ensure_demo(settings)
        report(step="done", lines=sign_in_lines(settings, base_url))
    except Exception as error:
        line = in_one_line(error)
        fault = f"the set-up failed ({type(error).__name__}): its trace is in the log above"
        report(step="failed", line=line or fault)
        if line is None:
            raise
