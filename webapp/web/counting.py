"""Counters of a window: in Valkey, and in PostgreSQL while Valkey does not answer; never in one process's memory.

Each process would count for itself there, so that a guesser had as many attempts more as there are processes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from limits.storage import Storage
from redis import Redis
from redis.exceptions import RedisError

from webapp.kernel.db import Database, aside

TRY_AGAIN_SECONDS = 10
"""So long after Valkey failed it is not asked again."""

log = structlog.get_logger()

# A window that is over begins anew: the row of a caller is written again, not another one.
_COUNT = """
    INSERT INTO platform.rate_count AS c (name, used, ends_at) VALUES (%(name)s, %(by)s, to_timestamp(%(ends)s))
    ON CONFLICT (name) DO UPDATE SET
        used = CASE WHEN c.ends_at > to_timestamp(%(now)s) THEN c.used + %(by)s ELSE %(by)s END,
        ends_at = CASE WHEN c.ends_at > to_timestamp(%(now)s) THEN c.ends_at ELSE to_timestamp(%(ends)s) END
    RETURNING used, extract(epoch FROM ends_at)
"""
_FORGET = """
    DELETE FROM platform.rate_count WHERE name IN (
        SELECT name FROM platform.rate_count WHERE ends_at < to_timestamp(%(now)s) ORDER BY ends_at LIMIT 100)
"""


@dataclass(slots=True)
class Window:
    """What is left of a caller's present window; `name` is the policy's, as the RateLimit fields write it."""

    quota: int
    used: int
    ends_in_seconds: int
    name: str = "tok"
    seconds: int = 60

    @property
    def remaining(self) -> int:
        """Return how many calls are left."""
        return max(0, self.quota - self.used)

    @property
    def is_over(self) -> bool:
        """Tell whether this call was one too many."""
        return self.used > self.quota


class Counters:
    """Counts calls. Raises OperationalError when neither Valkey nor PostgreSQL answers: nothing is ever let through."""

    def __init__(self, redis: "Redis[Any]", database: Database, clock: Callable[[], Any]) -> None:
        self._redis = redis
        self._database = database
        self._clock = clock
        self._ask_after = 0.0

    def count(self, policy: str, caller: str, *, quota: int, seconds: int) -> Window:
        """Count one call of a caller under a policy and return how its window stands."""
        now = self._clock().timestamp()
        # The number of the window stands in the key: all processes begin it at the same time.
        number = int(now // seconds)
        used, _ = self.add(f"{policy}/{caller}/{number}", seconds=seconds, ends_at=(number + 1) * seconds)
        return Window(quota, used, math.ceil((number + 1) * seconds - now), policy, seconds)

    def add(self, name: str, *, seconds: int, by: int = 1, ends_at: float | None = None) -> tuple[int, float]:
        """Add to a counter (0 reads it) and return what it says and when its window ends, in seconds since 1970."""
        now = self._clock().timestamp()
        found = None
        if now >= self._ask_after:
            try:
                found = self._in_valkey(f"limits/{name}", seconds, by, now)
            except (RedisError, OSError) as error:
                self._ask_after = now + TRY_AGAIN_SECONDS
                log.warning("limits.valkey_unreachable", reason=str(error))
        return found or self._in_postgresql(name, by, now, ends_at or now + seconds)

    def _in_valkey(self, key: str, seconds: int, by: int, now: float) -> tuple[int, float]:
        if by == 0:
            used, left = self._redis.pipeline(transaction=False).get(key).ttl(key).execute()
            return int(used or 0), now + max(0, left)
        used = int(self._redis.incrby(key, by))
        if used == by:
            self._redis.expire(key, seconds)
        return used, now + seconds

    def _in_postgresql(self, name: str, by: int, now: float, ends: float) -> tuple[int, float]:
        with aside(self._database.engine.url) as connection:
            row = connection.execute(_COUNT, {"name": name[:300], "by": by, "ends": ends, "now": now}).fetchone()
            connection.execute(_FORGET, {"now": now})
        return (0, ends) if row is None else (int(row[0]), float(row[1]))


class CountersStorage(Storage):
    """The same counters for flask-limiter: `RATELIMIT_STORAGE_URI=comptoir://`."""

    STORAGE_SCHEME = ["comptoir"]  # noqa: RUF012 - as the library declares it

    def __init__(self, uri: str, *, counters: Any, **options: Any) -> None:
        super().__init__(uri, **options)
        self._counters: Counters = counters

    @property
    def base_exceptions(self) -> type[Exception]:
        """Name what the library would wrap; it is told not to."""
        return RedisError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter and return it."""
        return self._counters.add(key, seconds=expiry, by=amount)[0]

    def get(self, key: str) -> int:
        """Return a counter."""
        return self._counters.add(key, seconds=1, by=0)[0]

    def get_expiry(self, key: str) -> float:
        """Return when a counter's window ends, in seconds since 1970."""
        return self._counters.add(key, seconds=1, by=0)[1]

    def check(self) -> bool:
        """Tell the library that there is always a counter."""
        return True

    def reset(self) -> int | None:
        """Reset nothing: no command of ours asks for it."""
        return None

    def clear(self, key: str) -> None:
        """Clear nothing: a counter ends with its window."""
