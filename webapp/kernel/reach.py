"""How the database's server is reached, and how it is noticed that it cannot be."""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

CONNECT_SECONDS_MAX = 3
"""A server that says nothing for so long is away."""
AWAY_SECONDS = 10
"""A connection that could not be made so long ago says nothing of now."""
LOST_AFTER_SECONDS = 15
"""Longer than a statement waits for a lock (10 s): it reads nothing meanwhile and is not lost, only full."""


def told_of_lost_lines(seconds: int = LOST_AFTER_SECONDS) -> dict[str, Any]:
    """Return what tells libpq to notice a network that swallows everything, also while it waits for an answer.

    By itself TCP repeats what was sent for a quarter of an hour, and whoever waits holds a thread that others need.
    """
    return {
        "connect_timeout": CONNECT_SECONDS_MAX,
        "keepalives_idle": 3,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": seconds * 1000,
    }


class Scout:
    """While the server is away one caller at a time tries to reach it; the others are told at once that it is away.

    Else each of them would hold its thread until its own attempt has failed, and none would be left for what needs no
    database: signs of life, and the page that says what is the matter. One attempt that failed while others succeeded,
    or long ago, says nothing: a server that is well is refused to nobody.
    """

    def __init__(self, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._away_until = self._reached_at = float("-inf")
        self._attempt = threading.Lock()

    def connect(self, dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        """Connect. Raises the driver's OperationalError."""
        if self._steady() >= self._away_until:
            return self._try(dialect, arguments, options)
        if not self._attempt.acquire(blocking=False):
            raise psycopg.OperationalError("the database does not answer; another request tries to reach it")
        try:
            return self._try(dialect, arguments, options)
        finally:
            self._attempt.release()

    def _try(self, dialect: Any, arguments: Any, options: dict[str, Any]) -> Any:
        began = self._steady()
        try:
            found = dialect.connect(*arguments, **options)
        except psycopg.OperationalError:
            if self._reached_at < began:
                self._away_until = self._steady() + AWAY_SECONDS
            raise
        self._reached_at, self._away_until = self._steady(), float("-inf")
        return found
