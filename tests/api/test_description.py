"""Thousands of calls made from the description of the JSON API, and every check that there is: nothing is found."""

from typing import Any

import pytest
from flask import Flask

from tenants.money.accounts import api as accounts_api
from tests.api.conftest import Desk
from tests.api.prober import CHECKS, Outcome, described, probe
from tests.served import served
from tests.webapp.tenancy.mutation import mutate

PHASES = ("examples", "coverage", "fuzzing", "stateful")


def by(*phases: str) -> dict[str, Any]:
    """Return the setting by which a run has these phases alone."""
    return {"phases": {phase: {"enabled": phase in phases} for phase in PHASES}}


DESCRIBED, MADE_UP = PHASES[:2], PHASES[2:]
QUICK = by(*DESCRIBED)
DONE = range(200, 300)


def run(app: Flask, desk: Desk, *operations: str, **settings: Any) -> Outcome:
    """Try all operations, or those that are named."""
    told = described(app, desk.workspace.slug, *operations)
    with served(app) as url:
        return probe(told, url, token=desk.owner.token, keep=desk.keep(), **settings)


@pytest.mark.parametrize("half", [0, 1], ids=["first half", "second half"])
def test_nothing_is_found(answering: Flask, desk: Desk, half: int):
    """Every example and the edges of every schema, address by address; in halves, so that two can go at it."""
    addresses = sorted(desk.told["paths"])[half::2]
    tried = [one["operationId"] for address in addresses for one in desk.told["paths"][address].values()]
    outcome = run(answering, desk, *tried, **by(*DESCRIBED))
    assert not outcome.found, outcome.report()
    # The run was a whole one: every phase, every check, every operation, and not all of it refused at the door.
    assert set(outcome.phases) == set(DESCRIBED)
    assert set(outcome.checks) == CHECKS
    names = {operation for operation, _status in outcome.answers}
    assert len(names) == len(tried)
    taken = {operation for operation, status in outcome.answers if status in DONE}
    assert len(taken) >= 0.7 * len(names), sorted(names - taken)
    assert_let_in(outcome)


def test_nothing_is_found_by_calls_that_are_made_up(answering: Flask, desk: Desk):
    outcome = run(answering, desk, **by(*MADE_UP))
    assert not outcome.found, outcome.report()
    assert set(outcome.phases) == set(MADE_UP)
    assert len({name for name, _status in outcome.answers}) == sum(map(len, desk.told["paths"].values()))
    assert_let_in(outcome)


def assert_let_in(outcome: Outcome) -> None:
    """Assert that the token did not die on the way."""
    told = ((status, count) for (name, status), count in outcome.answers.items() if name not in NEVER_A_TOKEN)
    assert not {401, 403} & {status for status, count in told if count > REFUSED_MAX}


NEVER_A_TOKEN = {"askForErasure"}
"""Operations that are refused to every token, as they say."""
REFUSED_MAX = 20
"""An operation is refused 401 that often at most: by the checks for ignored credentials, not because the token died."""


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("response.status_code = 201", "response.status_code = 202", "Undocumented status code"),
        ("jsonify(account_out(account))", "jsonify(id=account.id)", "Response violates schema"),
        ("draft=_draft(body)", "draft=None", "Server error"),
        (
            "with_etag(jsonify(account_out(account)), account.version)",
            "jsonify(account_out(account))",
            "Missing required response headers",
        ),
    ],
    ids=["status", "shape", "failure", "header"],
)
def test_a_build_that_breaks_its_word_turns_red(
    answering: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch, old: str, new: str, finding: str
):
    mutate(monkeypatch, accounts_api.open_account, old, new)
    outcome = run(answering, desk, "openAccount", **QUICK)
    assert finding in {kind for _operation, kind in outcome.found}


def test_a_build_that_takes_what_is_not_described_turns_red(
    answering: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(accounts_api.AccountIn.model_config, "strict", False)
    monkeypatch.setitem(accounts_api.AccountIn.model_config, "extra", "ignore")
    accounts_api.AccountIn.model_rebuild(force=True)
    outcome = run(answering, desk, "openAccount", **QUICK)
    monkeypatch.undo()
    accounts_api.AccountIn.model_rebuild(force=True)
    assert "Schema-violating request accepted" in {kind for _operation, kind in outcome.found}
