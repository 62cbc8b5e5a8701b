"""An application of its own for tests that need other limits, and one that answers what it did not anticipate."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.cast import Cast, raise_curtain
from tests.hands import Clock
from webapp.app import create_app
from webapp.settings import Settings
from webapp.web.state import KEY

CALLS_A_MINUTE = 30


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands a quarter into a minute to come."""
    return Clock((datetime.now(UTC) + timedelta(minutes=10)).replace(second=15, microsecond=0))


@pytest.fixture
def narrow(settings: Settings, owner: Engine, clock: Clock) -> Iterator[Cast]:
    """Return the cast of an application that takes little: few calls a minute, small bodies."""
    made = create_app(replace(settings, api_requests_per_minute=CALLS_A_MINUTE, upload_bytes_max=1024), clock=clock)
    made.testing = True
    yield raise_curtain(made, owner)
    made.extensions[KEY].database.close()
    made.extensions[KEY].redis.close()


@pytest.fixture
def answering(app: Flask) -> Iterator[Flask]:
    """Return the application as it answers users: what it did not anticipate is a 500 and not raised."""
    app.config["RAISE_UNEXPECTED"] = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield app
    app.config["RAISE_UNEXPECTED"] = True
    app.config["PROPAGATE_EXCEPTIONS"] = None
