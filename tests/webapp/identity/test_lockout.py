"""Guessing is locked out, longer each time, and nobody is locked out by a stranger."""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from tests.cast import newcomer
from tests.hands import Clock, letters, submit, work
from webapp.app import create_app
from webapp.identity import lockout, queries
from webapp.identity.attempts import LOCKS
from webapp.identity.lockout import ACCOUNT, NETWORK, PAIR, Attempt, State, TooManyAttempts, counted, uncounted
from webapp.kernel.db import Database
from webapp.settings import Settings
from webapp.web.limits import limiter
from webapp.web.state import KEY

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
person = partial(newcomer, password=PASSWORD)
Count = Callable[..., Attempt]


@pytest.fixture(autouse=True)
def _quick(quick_hashes: None) -> None:
    """Compare passwords at little cost."""


@pytest.fixture
def count(database: Database) -> Count:
    """Return how an attempt is counted, in a transaction of its own."""

    def act(email: str, network: str = "192.0.2.1", device: str = "", at: datetime = AT) -> Attempt:
        with database.platform() as session:
            return lockout.count_attempt(session=session, at=at, email=email, network=network, device=device)

    return act


def account() -> str:
    return f"{uuid4().hex[:12]}@example.org"


def net() -> str:
    return f"192.0.2.{uuid4().hex}"


def sign_in(app: Flask, email: str, password: str = PASSWORD, *, client: Any = None, address: str = "127.0.0.1") -> Any:
    """Fill in the sign-in form at an address of the network."""
    client = client or app.test_client()
    data = {"email": email, "password": password}
    return submit(client, "/sign-in", "/sign-in", data, environ_base={"REMOTE_ADDR": address})


def test_five_failures_lock_for_five_ten_twenty_then_forty_minutes() -> None:
    state, at, locks = State(), AT, []
    for _ in range(6):
        for number in range(5):
            state = counted(state, PAIR, at)
            assert (state.locked_until is None) == (number < 4)
            at += timedelta(seconds=1)
        locks.append((state.locked_until - at).total_seconds() // 60 + 1)
        at = state.locked_until
    assert locks == [5, 10, 20, 40, 40, 40]
    state = counted(state, PAIR, at + timedelta(days=1))
    assert (state.failures, state.step) == (1, 0), "a quiet day is the end of it"


def test_failures_that_lie_a_quarter_of_an_hour_apart_lock_nothing() -> None:
    state, at = State(), AT
    for _ in range(20):
        state = counted(state, PAIR, at)
        assert state.locked_until is None
        at += timedelta(minutes=15)


@pytest.mark.parametrize("limit", [PAIR, NETWORK, ACCOUNT])
def test_an_attempt_that_was_no_failure_leaves_no_trace(limit: lockout.Limit) -> None:
    state = State()
    for _ in range(limit.failures_max):
        after = counted(state, limit, AT)
        back = uncounted(after, limit, locked=after.locked_until is not None)
        assert (back.failures, back.step, back.locked_until) == (state.failures, state.step, state.locked_until)
        state = after


def test_the_right_password_opens_nothing_while_it_is_locked_and_all_when_it_is_over(
    still: Flask, clock: Clock
) -> None:
    email = person(still)
    assert [sign_in(still, email, "wrong").status_code for _ in range(5)] == [422] * 5
    refused = sign_in(still, email)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "300")
    assert "Try again in 5 min" in refused.text
    clock.forward(minutes=4, seconds=59)
    assert sign_in(still, email).status_code == 429
    clock.forward(seconds=1)
    assert sign_in(still, email).status_code == 303
    assert sign_in(still, email, "wrong").status_code == 422, "a success begins anew"


def test_a_stranger_locks_nobody_out(still: Flask) -> None:
    email, mine = person(still), still.test_client()
    assert sign_in(still, email, client=mine).status_code == 303
    submit(mine, "/profile", "/sign-out")
    assert [sign_in(still, email, "wrong").status_code for _ in range(6)] == [422] * 5 + [429]
    assert sign_in(still, email, client=mine).status_code == 303, "from the same network, in a browser that it knows"
    assert sign_in(still, email, address="198.51.100.7").status_code == 303, "in a new browser, from elsewhere"


def test_an_unknown_account_is_locked_out_like_a_known_one(app: Flask) -> None:
    said = []
    for email in (person(app), account()):
        answers = [sign_in(app, email, "wrong") for _ in range(6)]
        page = answers[-1].get_data(as_text=True).replace(email, "")
        said.append(([one.status_code for one in answers], page[page.index("<main") :].split("csrf")[0]))
    assert said[0] == said[1]
    assert said[0][0] == [422] * 5 + [429]


def test_fifty_guesses_at_once_count_as_fifty(count: Count) -> None:
    email, network, outcomes = account(), net(), []

    def guess() -> None:
        try:
            outcomes.append(count(email, network))
        except TooManyAttempts as refused:
            outcomes.append(refused)

    threads = [threading.Thread(target=guess) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 50
    assert sum(isinstance(one, Attempt) for one in outcomes) == 5
    assert [one.locks for one in outcomes if isinstance(one, Attempt) and one.locks] == [
        (lockout.Step("account_network", 1, 5),)
    ]


def test_a_network_that_sprays_is_locked_for_every_account(count: Count) -> None:
    network = net()
    for _ in range(NETWORK.failures_max):
        count(account(), network)
    with pytest.raises(TooManyAttempts):
        count(account(), network)
    count(account(), net())
    count(account(), network, device="a browser that the account knows")
    count(account(), network, at=AT + timedelta(minutes=5))


def test_a_hundred_failures_from_everywhere_lock_all_but_known_browsers(count: Count) -> None:
    email = account()
    for _ in range(ACCOUNT.failures_max):
        count(email, net())
    with pytest.raises(TooManyAttempts):
        count(email, net(), at=AT + timedelta(hours=23))
    count(email, net(), device="mine")
    count(email, net(), at=AT + timedelta(hours=24))
    with pytest.raises(TooManyAttempts):
        count(email, net(), at=AT + timedelta(hours=25))


def test_a_success_begins_anew_for_the_account_but_not_for_its_network(count: Count, database: Database) -> None:
    network = net()

    def succeed() -> None:
        attempt = count("mine@example.org", network)
        with database.platform() as session:
            lockout.forgive(session=session, at=AT, attempt=attempt)

    for _ in range(NETWORK.failures_max - 1):
        count(account(), network)
        succeed()
    succeed()
    count(account(), network)
    with pytest.raises(TooManyAttempts):
        count("mine@example.org", network)


@pytest.fixture
def alone(settings: Settings, app: Flask) -> Iterator[Flask]:
    """Return an application whose Valkey is away; the limiter is every application's, so it gets its own back."""
    made = create_app(replace(settings, redis_url="redis://127.0.0.1:1/0"))
    made.testing = True
    yield made
    made.extensions[KEY].database.close()
    made.extensions[KEY].redis.close()
    spare = Flask("spare")
    spare.config.update({name: value for name, value in app.config.items() if name.startswith("RATELIMIT_")})
    limiter.init_app(spare)


def test_without_valkey_guesses_are_locked_out_all_the_same(alone: Flask) -> None:
    email = account()
    assert [sign_in(alone, email, "wrong").status_code for _ in range(6)] == [422] * 5 + [429]


def test_each_lock_is_on_record_and_counted_and_told_once_a_day(
    still: Flask, clock: Clock, settings: Settings, database: Database
) -> None:
    email = person(still)
    before = LOCKS.labels("account_network")._value.get()
    for _ in range(2):
        assert [sign_in(still, email, "wrong").status_code for _ in range(5)] == [422] * 5
        clock.forward(minutes=5)
    with database.platform() as session:
        rows = session.execute(
            text("SELECT object_type, difference FROM audit_event WHERE action = 'sign_in.locked' AND object_id = :id"),
            {"id": str(queries.id_by_email(session=session, email=email))},
        ).all()
    assert [(kind, told["minutes"], told["step"]) for kind, told in rows] == [
        ("sign_in", [None, 5], [None, 1]),
        ("sign_in", [None, 10], [None, 2]),
    ]
    assert LOCKS.labels("account_network")._value.get() == before + 2
    work(settings, "identity.tell_locked", clock=clock)
    work(settings, "mail.send", clock=clock)
    (letter,) = letters(settings, email)
    assert "Somebody is guessing your password" in letter
    assert re.search(r"for 5\s+minutes", letter.replace("=\r\n", ""))


def test_what_is_no_longer_needed_is_swept_away(count: Count, database: Database) -> None:
    email = account()
    count(email, net(), at=AT - timedelta(days=400))
    count(account(), net(), at=AT)
    with database.platform() as session:
        kept = session.scalar(text("SELECT count(*) FROM sign_in_lock WHERE kept_until < :at"), {"at": AT})
    assert kept == 0
