"""Readiness while something is away: 503 at once, and the part is named."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from webapp.app import create_app
from webapp.settings import Settings
from webapp.web.state import KEY


@contextmanager
def refusing() -> Iterator[int]:
    """Yield a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield port


@contextmanager
def silent() -> Iterator[int]:
    """Yield a port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def ready(settings: Settings) -> tuple[int, dict[str, str], float]:
    """Ask an application with these settings; return status, parts and the seconds that it took."""
    app = create_app(settings)
    began = time.perf_counter()
    answer: Any = app.test_client().get("/readyz")
    spent = time.perf_counter() - began
    alive = app.test_client().get("/livez").status_code
    app.extensions[KEY].database.close()
    app.extensions[KEY].redis.close()
    assert alive == 200, "the process itself lives"
    return answer.status_code, answer.json["parts"], spent


@pytest.mark.parametrize(("away", "seconds_max"), [(refusing, 2.0), (silent, 8.0)])
def test_a_database_that_is_away_is_named_at_once(settings: Settings, owner: Engine, away: Any, seconds_max: float):
    with away() as port:
        url = f"postgresql://comptoir@127.0.0.1:{port}/comptoir"
        status, parts, spent = ready(replace(settings, database_url=url))
    assert status == 503
    assert parts["database"] == "it does not answer (OperationalError)"
    assert parts["valkey"] == "ok"
    assert parts["migrations"] == parts["worker"] == "not asked: the database does not answer"
    assert spent < seconds_max


@pytest.mark.parametrize(("away", "seconds_max"), [(refusing, 2.0), (silent, 8.0)])
def test_a_valkey_that_is_away_is_named_at_once(settings: Settings, owner: Engine, away: Any, seconds_max: float):
    with away() as port:
        status, parts, spent = ready(replace(settings, redis_url=f"redis://127.0.0.1:{port}/0"))
    assert status == 503
    assert "it does not answer" in parts["valkey"]
    assert (parts["database"], parts["migrations"]) == ("ok", "ok")
    assert spent < seconds_max


def test_an_application_starts_while_its_servers_are_away(settings: Settings):
    with refusing() as port:
        app = create_app(
            replace(
                settings,
                database_url=f"postgresql://comptoir@127.0.0.1:{port}/comptoir",
                redis_url=f"redis://127.0.0.1:{port}/0",
            )
        )
        assert app.test_client().get("/livez").status_code == 200
        assert app.test_client().get("/sign-in").status_code == 503
        app.extensions[KEY].database.close()
        app.extensions[KEY].redis.close()
