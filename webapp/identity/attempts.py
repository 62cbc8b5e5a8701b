"""Guessing is made slow: per account, whether it exists or not, with a bucket of its own for a known device.

Five attempts are free, then each waits twice as long as the one before, up to fifteen minutes; nobody is locked out
for good. An attempt is counted before the password is looked at, so that fifty at once count as fifty.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from webapp.identity.rules import ATTEMPTS_FREE, ATTEMPTS_KEPT_SECONDS, DELAY_SECONDS_MAX, delay_seconds
from webapp.kernel.errors import N_, DomainError

log = structlog.get_logger()

_COUNT = """
local held = redis.call('HMGET', KEYS[1], 'count', 'till')
local count, till, now = tonumber(held[1] or '0'), tonumber(held[2] or '0'), tonumber(ARGV[1])
if now < till then return till - now end
count = count + 1
local wait = 0
if count >= tonumber(ARGV[2]) then wait = math.min(2 ^ math.min(count - ARGV[2], 30), ARGV[3]) end
redis.call('HSET', KEYS[1], 'count', count, 'till', now + math.floor(wait * 1000))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 0
"""


class TooManyAttempts(DomainError):
    """The account must wait before the next attempt, right password or not."""

    code = "too_many_attempts"
    status = 429
    title = N_("Too many attempts")
    message = N_("Too many attempts. Wait %(seconds)s seconds, then try again.")


@dataclass(slots=True)
class _Memory:
    """What one process counts by itself while Valkey does not answer: limits never open."""

    held: dict[str, tuple[int, float]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)

    def count(self, key: str, now: float) -> float:
        with self.lock:
            count, till = self.held.get(key, (0, 0.0))
            if now < till:
                return till - now
            if len(self.held) > 10_000:  # noqa: PLR2004 - a bound of memory, no rule
                self.held.clear()
            self.held[key] = (count + 1, now + delay_seconds(count + 1))
            return 0


_memory = _Memory()


def bucket(email: str, device: str) -> str:
    """Return whose attempts are counted together: an account's, or those of one device that it knows."""
    whose = f"device {device}" if device else "account"
    return "sign-in:" + sha256(f"{whose} {email.strip().casefold()}".encode()).hexdigest()


def count_attempt(redis: "Redis[Any]", key: str, *, at: datetime) -> None:
    """Count one attempt.

    Raises TooManyAttempts while the bucket must wait.
    """
    now = at.timestamp()
    try:
        milliseconds: Any = redis.eval(
            _COUNT,
            1,
            key,
            str(int(now * 1000)),
            str(ATTEMPTS_FREE),
            str(DELAY_SECONDS_MAX),
            str(ATTEMPTS_KEPT_SECONDS),
        )
        left = int(milliseconds) / 1000
    except RedisError as error:
        log.warning("sign_in.counted_in_memory", reason=str(error))
        left = _memory.count(key, now)
    if left > 0:
        raise TooManyAttempts(seconds=max(1, round(left)))


def forget_attempts(redis: "Redis[Any]", key: str) -> None:
    """Begin anew after a success."""
    _memory.held.pop(key, None)
    try:
        redis.delete(key)
    except RedisError as error:
        log.warning("sign_in.not_forgotten", reason=str(error))
