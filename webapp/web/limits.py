"""Rate limits on Valkey: flask-limiter for sign-in, one trip a call for the API, told in `RateLimit` fields (AP-4)."""

import hashlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, abort, g, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from redis import Redis
from redis.exceptions import RedisError

from webapp.settings import Settings
from webapp.web.state import KEY, Services, services

WINDOW_SECONDS = 60
CALLERS_MAX = 10_000
"""Callers that one process counts by itself at most; beyond, it forgets them all."""
TRY_AGAIN_SECONDS = 10
"""So long after Valkey failed a process counts for itself before it asks again."""
TOKEN_PREFIX = "Bearer cpt_live_"  # noqa: S105 - what every token begins with
TOO_MANY = 429
JSON_BYTES_MAX = 8 * 1024 * 1024
"""JSON grows a hundredfold when it is read, and nothing else runs meanwhile; a large batch has a tenth of this."""
IPV4 = 4
IPV6_BITS = 64

log = structlog.get_logger()
limiter = Limiter(key_func=get_remote_address, headers_enabled=False)


def caller() -> str:
    """Return whose requests are counted together: a token with its secret, else the network address.

    The id alone would not do: members can read it, and guesses at the secret would use up the owner's calls.
    """
    token = request.headers.get("Authorization", "")
    if token.startswith(TOKEN_PREFIX):
        return "token:" + hashlib.sha256(token.encode()).hexdigest()[:32]
    return "address:" + get_remote_address()


def network() -> str:
    """Return the network from which the request came: all addresses that one household or one server has at hand."""
    address = get_remote_address()
    try:
        found = ip_address(address)
    except ValueError:
        return address
    plain = getattr(found, "ipv4_mapped", None) or found
    return str(plain) if plain.version == IPV4 else str(ip_network((plain, IPV6_BITS), strict=False))


@dataclass(slots=True)
class Window:
    """What is left of a caller's present minute."""

    quota: int
    used: int
    ends_in_seconds: int

    @property
    def remaining(self) -> int:
        """Return how many calls are left."""
        return max(0, self.quota - self.used)


class Counter:
    """Counts the calls of a minute in Valkey; when it does not answer, each process counts for itself: never open."""

    def __init__(self, redis: "Redis[Any]") -> None:
        self._redis = redis
        self._mine: dict[str, int] = {}
        self._lock = threading.Lock()
        self._ask_after = 0.0

    def count(self, name: str, *, now: float, quota: int) -> Window:
        """Count one call of a caller; `now` in seconds since 1970."""
        number = int(now // WINDOW_SECONDS)
        key = f"limits/api/{name}/{number}"
        used = self._in_valkey(key) if now >= self._ask_after else None
        if used is None:
            self._ask_after = max(self._ask_after, now + TRY_AGAIN_SECONDS if now >= self._ask_after else 0.0)
            used = self._by_myself(key)
        return Window(quota, used, math.ceil((number + 1) * WINDOW_SECONDS - now))

    def _in_valkey(self, key: str) -> int | None:
        try:
            used = int(self._redis.incr(key))
            if used == 1:
                self._redis.expire(key, 2 * WINDOW_SECONDS)
        except (RedisError, OSError) as error:
            log.warning("limits.valkey_unreachable", reason=str(error))
            return None
        return used

    def _by_myself(self, key: str) -> int:
        with self._lock:
            if len(self._mine) > CALLERS_MAX:
                self._mine.clear()
            self._mine[key] = self._mine.get(key, 0) + 1
            return self._mine[key]


def limit_sign_in(view: Callable[..., Any]) -> Callable[..., Any]:
    """Limit attempts to sign in, per network: an IPv4 address, or the 2^64 addresses of an IPv6 subnet."""
    return limiter.limit(
        lambda: f"{services().settings.sign_in_per_minute}/minute",
        key_func=network,
    )(view)


def limit_api(app: Flask, blueprint: Blueprint) -> None:
    """Limit the calls of one token per minute."""
    app.extensions["limited"].add(blueprint.name)


def install(app: Flask, settings: Settings) -> None:
    """Count before anything else is done for a call."""
    app.config.update(
        RATELIMIT_STORAGE_URI=settings.redis_url.replace("unix://", "redis+unix://", 1),
        RATELIMIT_STRATEGY="fixed-window",
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_IN_MEMORY_FALLBACK="600/minute",
        RATELIMIT_KEY_PREFIX="limits",
    )
    limiter.init_app(app)
    limited: set[str] = app.extensions.setdefault("limited", set())
    built: Services = app.extensions[KEY]
    counter = Counter(built.redis)

    @app.before_request
    def count() -> None:
        if request.blueprint in limited:
            now = services().clock().timestamp()
            g.window = counter.count(caller(), now=now, quota=settings.api_requests_per_minute)
            if g.window.used > g.window.quota:
                abort(TOO_MANY)
            if request.mimetype != "multipart/form-data":
                request.max_content_length = min(JSON_BYTES_MAX, request.max_content_length or JSON_BYTES_MAX)

    @app.after_request
    def say(response: Response) -> Response:
        window: Window | None = g.get("window")
        if window is not None:
            headers = response.headers
            headers["RateLimit-Policy"] = f'"tok";q={window.quota};w={WINDOW_SECONDS}'
            headers["RateLimit"] = f'"tok";r={window.remaining};t={window.ends_in_seconds}'
            headers["X-RateLimit-Limit"] = str(window.quota)
            headers["X-RateLimit-Remaining"] = str(window.remaining)
            headers["X-RateLimit-Reset"] = str(int(services().clock().timestamp()) + window.ends_in_seconds)
            if response.status_code == TOO_MANY:
                headers["Retry-After"] = str(max(1, window.ends_in_seconds))
        return response
