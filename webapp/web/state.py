"""What the process shares with every request: settings, database, clock, ids, courier; kept on the application."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from flask import current_app
from redis import Redis

from webapp.kernel.clock import Clock
from webapp.kernel.crypto import KeyRing, ring_of
from webapp.kernel.db import Database
from webapp.settings import Settings

KEY = "comptoir"


@dataclass(frozen=True, slots=True)
class Services:
    """The process's own services, passed on by the doors."""

    settings: Settings
    database: Database
    redis: "Redis[Any]"
    clock: Clock
    new_id: Callable[[], UUID]
    new_secret: Callable[[], str]
    after_commit: Callable[[Any], None]

    @property
    def keys(self) -> KeyRing:
        """Return what seals and opens fields."""
        return ring_of(self.database)


def services() -> Services:
    """Return the services of the running application."""
    return cast("Services", current_app.extensions[KEY])
