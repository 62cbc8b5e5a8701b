"""An application whose clock stands still, for what depends on time."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.hands import Clock
from webapp.app import create_app
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
