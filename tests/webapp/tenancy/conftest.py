"""One stage for all probes of this folder."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.webapp.tenancy.contents import make_nest
from tests.webapp.tenancy.stage import Stage, set_stage
from webapp.kernel.db import TenantRef


@pytest.fixture(scope="module")
def stage(app: Flask, owner: Engine) -> Iterator[Stage]:
    """Return two workspaces full of canaries; what goes wrong is shown as it would be, for it must not tell either."""
    app.config["RAISE_UNEXPECTED"] = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield set_stage(app, owner)
    app.config["RAISE_UNEXPECTED"] = True
    app.config["PROPAGATE_EXCEPTIONS"] = None


@pytest.fixture
def make_doomed(app: Flask, owner: Engine) -> Callable[[], tuple[TenantRef, str]]:
    """Make a workspace that a test may remove."""

    def make() -> tuple[TenantRef, str]:
        nest = make_nest(app, owner, "d")
        return nest.workspace.ref, nest.workspace.slug

    return make
