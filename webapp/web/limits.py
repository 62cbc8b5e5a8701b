"""Rate limits on Valkey (flask-limiter), with the IETF `RateLimit` fields beside the older ones (AP-4)."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from webapp.settings import Settings
from webapp.web.state import services


def caller() -> str:
    """Return whose requests are counted together: a token by its id, else the network address."""
    token = request.headers.get("Authorization", "")
    if token.startswith("Bearer cpt_live_"):
        return "token:" + token[len("Bearer cpt_live_"):][:16]
    return "address:" + get_remote_address()


limiter = Limiter(key_func=caller, headers_enabled=False)


def limit_sign_in(view: Callable[..., Any]) -> Callable[..., Any]:
    """Limit attempts to sign in, per network address."""
    return limiter.limit(
        lambda: f"{services().settings.sign_in_per_minute}/minute", key_func=get_remote_address,
    )(view)


def limit_api(blueprint: Any) -> None:
    """Limit the calls of one token per minute."""
    limiter.limit(lambda: f"{services().settings.api_requests_per_minute}/minute")(blueprint)


def install(app: Flask, settings: Settings) -> None:
    """Count in Valkey; when it does not answer, each process counts for itself, so that limits never open."""
    app.config.update(
        RATELIMIT_STORAGE_URI=settings.redis_url.replace("unix://", "redis+unix://", 1),
        RATELIMIT_STRATEGY="fixed-window",
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_IN_MEMORY_FALLBACK=["600/minute"],
        RATELIMIT_KEY_PREFIX="limits",
    )
    limiter.init_app(app)

    @app.after_request
    def say(response: Response) -> Response:
        current = getattr(g, "_limiter_current", None) or limiter.current_limit
        if current is not None and request.path.startswith("/api/"):
            seconds = max(0, round(current.reset_at - services().clock().timestamp()))
            quota, window = current.limit.amount, current.limit.get_expiry()
            response.headers["RateLimit-Policy"] = f'"tok";q={quota};w={window}'
            response.headers["RateLimit"] = f'"tok";r={current.remaining};t={seconds}'
            response.headers["X-RateLimit-Limit"] = str(quota)
            response.headers["X-RateLimit-Remaining"] = str(current.remaining)
            response.headers["X-RateLimit-Reset"] = str(int(current.reset_at))
            if response.status_code == 429:  # noqa: PLR2004 - HTTP's own number
                response.headers["Retry-After"] = str(max(1, seconds))
        return response
