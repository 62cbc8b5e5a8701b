"""`/livez`: the process answers. `/readyz`: what it needs answers too; 503 and the missing part when not."""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from webapp.web.state import services

Check = Callable[[], str]
"""Returns an empty text when all is well, else what is wrong."""


def blueprint(checks: dict[str, Check]) -> Blueprint:
    """Build the two routes; `checks` are the parts that `/readyz` asks, by name."""
    health = Blueprint("health", __name__)

    @health.get("/livez")
    def livez() -> Response:
        return jsonify(status="ok")

    @health.get("/readyz")
    def readyz() -> tuple[Response, int]:
        parts = {name: _ask(check) for name, check in checks.items()}
        ready = not any(parts.values())
        body = {"status": "ok" if ready else "not ready", "parts": {name: text or "ok" for name, text in parts.items()}}
        return jsonify(body), 200 if ready else 503

    return health


def _ask(check: Check) -> str:
    try:
        return check()
    except (SQLAlchemyError, RedisError, OSError) as error:
        return f"it does not answer ({type(error).__name__})"


def valkey() -> str:
    """Ask Valkey."""
    services().redis.ping()
    return ""
