"""What a command works on: the servers of a data folder, running or not, or those of the environment."""

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine

from webapp.embedded.instance import Instance
from webapp.identity import queries as _people  # noqa: F401 - rows of every room refer to a person or a workspace
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.kernel.db import Database, app_url, owner_engine
from webapp.settings import Settings
from webapp.tenancy import queries as _workspaces  # noqa: F401 - as above


def _account() -> str:
    """Return the account of this machine that runs the command, or its number when it has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


ACTOR = Actor.system("command line", via="cli", through_id=_account())


@dataclass(frozen=True, slots=True)
class Installation:
    """Open connections to one installation: as the owner of the schemas, and as the application."""

    settings: Settings
    engine: Engine
    database: Database
    at: datetime

    @property
    def base_url(self) -> str:
        """Return the address that a person opens, without a slash at its end."""
        chosen = self.settings.base_url or f"http://{self.settings.host}:{self.settings.port}"
        return chosen.rstrip("/")


@contextmanager
def installation(data_dir: Path, *, makes_one: bool = False) -> Iterator[Installation]:
    """Open the installation for the time of a command; raises EmbeddedError, SettingsError.

    A folder that holds none is refused, lest a slip of the hand makes one; with `makes_one` it is made, and said so.
    """
    instance = Instance(data_dir)
    if not makes_one:
        instance.require()
    elif not instance.exists():
        click.echo(f"comptoir: making a new installation in {instance.data_dir}", err=True)
    with instance.servers() as settings:
        engine = owner_engine(settings.database_url)
        database = Database(
            app_url(settings.database_url, settings.secret_key), pool_size=1, pooler=settings.database_pooler
        )
        database.keys = new_ring(settings)
        try:
            yield Installation(settings, engine, database, utc_now())
        finally:
            database.close()
            engine.dispose()


def on_installation(act: Callable[..., None], *, makes_one: bool = False) -> Callable[..., None]:
    """Give a command the option `--data-dir` and, as its first argument, the open installation."""

    @click.option(
        "--data-dir",
        default=".comptoir",
        show_default=True,
        envvar="COMPTOIR_DATA_DIR",
        type=click.Path(path_type=Path),
        help="Where all data lives, unless COMPTOIR_DATABASE_URL is set.",
    )
    @wraps(act)
    def command(data_dir: Path, **options: Any) -> None:
        with installation(data_dir, makes_one=makes_one) as place:
            act(place, **options)

    return command


on_new_installation = partial(on_installation, makes_one=True)
"""The same for the command that a script may run first of all: it makes an installation where there is none."""
