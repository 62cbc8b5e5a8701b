"""An application whose clock stands still, for what depends on time."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import Engine

from tests.hands import Clock
from webapp.app import create_app
from webapp.identity import passwords
from webapp.settings import Settings
from webapp.web.state import KEY


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at the present instant until it is moved."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def still(settings: Settings, owner: Engine, clock: Clock) -> Iterator[Flask]:
    """Return an application that reads this clock."""
    made = create_app(settings, clock=clock)
    made.testing = True
    made.config["RAISE_UNEXPECTED"] = True
    yield made
    made.extensions[KEY].database.close()
    made.extensions[KEY].redis.close()


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Argon2 cost next to nothing, for tests in which passwords are compared often."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()
    yield
    passwords._nobody.cache_clear()
