"""Limits hold on every page and call, tell themselves in the RateLimit fields, and stay closed when Valkey is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Engine, text

from tests.cast import Cast, raise_curtain
from tests.hands import Clock, submit
from webapp.access.permissions import Permission
from webapp.app import create_app
from webapp.settings import Settings
from webapp.web.counting import Counters
from webapp.web.limits import limiter
from webapp.web.state import KEY

NOWHERE = "redis://127.0.0.1:1/0"
MOVES = {
    Permission.LEDGER_ENTRIES_WRITE,
    Permission.LEDGER_ENTRIES_REVERSE,
    Permission.LEDGER_HOLDS_WRITE,
    Permission.IMPORTS_IMPORTS_PUBLISH,
    Permission.IMPORTS_IMPORTS_REVERSE,
}
SAYS = "a category, a text, a tag, a tick of an entry that is there; amounts stay"
MOVES_NOTHING = {
    "api_changes.change_entries": SAYS,
    "api_changes.undo_change": SAYS,
    "api_dashboard.accept": SAYS,
    "money_changes.change_entries": SAYS,
    "money_changes.change_row": SAYS,
    "money_changes.clear_row": SAYS,
    "money_changes.undo": SAYS,
    "money_dashboard.accept": SAYS,
    "money_entry_form.more_lines": "shows a form",
    "money_entry_form.show_remainder": "shows a sum",
    "api_import_rows.settle_left": "notes what became of a row",
    "money_import_rows.settle_left": "notes what became of a row",
}


@contextmanager
def strict(app: Flask, settings: Settings, **overrides: Any) -> Iterator[Flask]:
    """Build an application with the limits of an installation; the limiter is every application's and goes back."""
    defaults = {one: Settings.__dataclass_fields__[one].default for one in Settings.__dataclass_fields__}
    names = ("pages_per_minute", "money_moves_per_minute", "sign_in_per_5_minutes")
    made = create_app(replace(settings, **{name: defaults[name] for name in names}), **overrides)
    made.testing = True
    try:
        yield made
    finally:
        made.extensions[KEY].database.close()
        made.extensions[KEY].redis.close()
        spare = Flask("spare")
        spare.config.update({name: value for name, value in app.config.items() if name.startswith("RATELIMIT_")})
        limiter.init_app(spare)


@pytest.mark.parametrize("valkey", ["there", "away"])
def test_pages_moves_and_sign_ins_have_their_limits_with_and_without_valkey(
    app: Flask, settings: Settings, owner: Engine, valkey: str
) -> None:
    clock = Clock()
    clock.at = clock.at.replace(year=2031, month=(1 if valkey == "there" else 2))
    more: dict[str, Any] = {"clock": clock}
    if valkey == "away":
        more["redis"] = Redis.from_url(NOWHERE, socket_connect_timeout=1)
    with strict(app, settings, **more) as made:
        home = {"REMOTE_ADDR": f"2001:db8:{uuid4().hex[:4]}::1"}
        cast: Cast = raise_curtain(app, owner)
        with made.extensions[KEY].database.platform() as session:
            session.execute(_later(), {"at": clock.at})
        browser = made.test_client()
        browser.set_cookie("comptoir", cast.alice.session_secret)
        path = f"/t/{cast.acme.slug}/accounts"
        statuses = [browser.get(path, environ_base=home).status_code for _ in range(101)]
        assert statuses == [200] * 100 + [429]
        over = browser.get(path, environ_base=home)
        assert over.headers["RateLimit-Policy"] == '"page";q=100;w=60'
        assert over.headers["RateLimit"] == '"page";r=0;t=60' and over.headers["Retry-After"] == "60"
        assert "Please try again in 60 seconds." in over.text and "Retry-After" not in over.text
        forged = browser.post(f"/t/{cast.acme.slug}/entries", data={"csrf_token": "made up"}, environ_base=home)
        assert forged.status_code == 429, "a form without a valid token, too"
        other = made.test_client()
        other.set_cookie("comptoir", cast.dave.session_secret)
        fine = other.get(path, environ_base=home)
        assert fine.status_code == 200 and fine.headers["RateLimit"] == '"page";r=99;t=60', "a person, not an office"

        stranger = made.test_client()
        made_up = [stranger.get("/sign-in", environ_base=home, headers={"Cookie": f"comptoir={n}"}) for n in range(101)]
        assert [one.status_code for one in made_up[99:]] == [200, 429], "cookies that are made up are one network"
        clock.forward(minutes=1)

        wrong = {"email": cast.bob.email, "password": "x"}
        tries = [submit(made.test_client(), "/sign-in", "/sign-in", wrong, environ_base=home) for _ in range(6)]
        assert tries[4].status_code != 429 and tries[5].status_code == 429
        assert '"sign";q=5;w=300' in tries[5].headers["RateLimit-Policy"] and int(tries[5].headers["Retry-After"]) > 60

        clock.forward(minutes=1)
        moved = [submit(browser, "/profile", f"/t/{cast.acme.slug}/entries", {}, environ_base=home) for _ in range(11)]
        assert [one.status_code for one in moved[9:]] == [422, 429]
        assert '"move";q=10;w=60' in moved[10].headers["RateLimit-Policy"]
        token = {"Authorization": f"Bearer {cast.alice.token}", "Idempotency-Key": "k" * 20}
        called = made.test_client().post(f"/api/v1/t/{cast.acme.slug}/entries", json={}, headers=token)
        assert "429" not in called.status and '"tok";q=' in called.headers["RateLimit-Policy"]


def _later() -> Any:
    return text("UPDATE session SET seen_at = :at, created_at = :at, expires_at = CAST(:at AS timestamptz) + '1 day'")


def test_two_processes_count_together_in_postgresql_and_a_window_begins_anew(app: Flask) -> None:
    clock, services = Clock(), app.extensions[KEY]
    gone: Redis[Any] = Redis.from_url(NOWHERE, socket_connect_timeout=1)
    one, two = (Counters(gone, services.database, clock) for _ in range(2))
    who = uuid4().hex
    assert [each.count("page", who, quota=3, seconds=60).used for each in (one, two, one, two)] == [1, 2, 3, 4]
    clock.forward(minutes=1)
    assert two.count("page", who, quota=3, seconds=60).used == 1
    gone.close()


def test_every_act_that_moves_money_is_counted_as_one(app: Flask) -> None:
    views = app.view_functions
    written = {rule.endpoint for rule in app.url_map.iter_rules() if rule.methods & {"POST", "PUT", "DELETE"}}
    asked = {name for name in written if getattr(views[name], "permission", None) in MOVES}
    marked = {name for name in written if getattr(views[name], "moves_money", False)}
    assert asked - marked == MOVES_NOTHING.keys()
    assert marked <= asked
