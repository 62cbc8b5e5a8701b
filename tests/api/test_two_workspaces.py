"""The same made-up calls with the token of one workspace for what is in the other: nothing of it shows or changes."""

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from sqlalchemy import Engine

from tenants import door
from tests.api.prober import described, only, probe
from tests.served import served
from tests.webapp.tenancy.contents import Nest, fingerprint
from tests.webapp.tenancy.mutation import mutate
from tests.webapp.tenancy.stage import Stage, set_stage
from webapp.jobs import queries as jobs

QUICK = {
    "phases": {
        "examples": {"enabled": True},
        "coverage": {"enabled": False},
        "fuzzing": {"enabled": True},
        "stateful": {"enabled": False},
    },
    "generation": {"max-examples": 4, "deterministic": True, "database": "none", "no-shrink": True},
}
"""What the edges of a shape add is tried by test_description; here it matters whose things are named."""
AT_THE_DOOR = {401, 403, 404}
BEFORE_THE_DOOR = {400, 405, 413, 415}
"""Refusals of HTTP itself, which the door does not get to see."""
ROWS = {
    "account_id": "account",
    "category_id": "account",
    "parent_id": "account",
    "from_account_id": "account",
    "to_account_id": "account",
    "adjustment_account_id": "account",
    "entry_id": "entry",
    "entry_ids": "entry",
    "ids": "entry",
    "hold_id": "hold",
    "import_id": "import",
    "closing_id": "period_closing",
    "event_id": "audit_event",
    "view_id": "saved_view",
    "job_id": "job",
    "invitation_id": "invitation",
    "token_id": "token",
    "service_account_id": "service_account",
    "client_id": "client",
    "person_id": "person",
    "change_id": "change",
    "reconciliation_id": "reconciliation",
}
"""Names of parameters and fields to the table whose row they name."""


@pytest.fixture(scope="module")
def stage(answering: Flask, owner: Engine) -> Stage:
    """Return two workspaces in which every text carries the workspace's canary."""
    return set_stage(answering, owner)


@dataclass(slots=True)
class Watch:
    """Reads every answer for the canary of a workspace, and keeps what was answered."""

    canary: str
    asked: str = ""
    """The short name that the call itself names, which may come back in addresses."""
    seen: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    calls: int = 0

    def __call__(self, case: Case, response: Response) -> None:
        self.calls += 1
        if case.method != "OPTIONS":
            self.statuses.add(response.status_code)
        told = f"{response.headers}\n{response.text}"
        told = told.replace(self.asked, "") if self.asked else told
        if self.canary in told:
            self.seen.append(f"{case.method} {response.request.url}: {response.status_code} {response.text[:400]}")


def into(stage: Stage, token: str, target: Nest, *operations: str) -> Watch:
    """Try the addresses of a workspace with a token of another one."""
    told = described(stage.app, target.workspace.slug, *operations)
    return _tried(told, stage.app, token, Watch(target.canary, target.workspace.slug))


def with_ids_of(stage: Stage, attacker: Nest, token: str, target: Nest, *operations: str) -> Watch:
    """Try the attacker's own addresses with ids of the target in paths, queries and bodies."""
    told = named(described(stage.app, attacker.workspace.slug, *operations), target.ids)
    return _tried(told, stage.app, token, Watch(target.canary))


def _tried(told: dict[str, Any], app: Flask, token: str, watch: Watch) -> Watch:
    with served(app) as url:
        probe(told, url, token=token, watcher=watch, **QUICK)
    return watch


def named(told: dict[str, Any], ids: dict[str, Any]) -> dict[str, Any]:
    """Let everything that names a row name one of these."""
    told = copy.deepcopy(told)
    known = {
        name: str(ids[table]) if not isinstance(ids[table], int) else ids[table]
        for name, table in ROWS.items()
        if table in ids
    }
    for name, value in known.items():
        only(told, name, [value])
    for methods in told["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "query" and parameter["name"] in known:
                    parameter["schema"] = {"enum": [known[parameter["name"]]]}
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content.pop("examples", None)
    for shape in told["components"]["schemas"].values():
        for name in shape.get("properties", {}).keys() & known.keys():
            one = {"enum": [known[name]]}
            shape["properties"][name] = (
                {"type": "array", "items": one, "minItems": 1, "maxItems": 3} if name.endswith("ids") else one
            )
    return told


@pytest.mark.parametrize("direction", ["b with the token of a", "a with the token of b"])
def test_addresses_of_the_other_workspace_answer_nothing(stage: Stage, direction: str):
    # The guest is a member of both: the token alone, made for A, keeps them out of B.
    token, target = (stage.guest.token, stage.b) if direction.startswith("b") else (stage.b.owner.token, stage.a)
    before = fingerprint(stage.owner, target)
    watch = into(stage, token, target)
    assert watch.seen == []
    assert watch.statuses <= AT_THE_DOOR | BEFORE_THE_DOOR
    assert watch.calls > 200
    assert fingerprint(stage.owner, target) == before


def test_ids_of_the_other_workspace_name_nothing(stage: Stage):
    before = fingerprint(stage.owner, stage.b)
    watch = with_ids_of(stage, stage.a, stage.guest.token, stage.b)
    assert watch.seen == []
    assert watch.calls > 200
    assert {200, 404} <= watch.statuses
    assert fingerprint(stage.owner, stage.b) == before


OF_EVERY_WORKSPACE = (
    "if bearer.place is not None:",
    "if True:\n        return queries.membership(session=g.db, slug=g.slug, person_id=bearer.person.id)",
)
"""A token opens every workspace of its person, not only the one that it was made for."""


def test_a_build_whose_tokens_open_every_workspace_of_their_person_turns_red(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    mutate(monkeypatch, door._place_of, *OF_EVERY_WORKSPACE)
    watch = into(stage, stage.guest.token, stage.b, "listAccounts", "getEntry")
    assert watch.seen
    assert 200 in watch.statuses


def test_a_build_that_shows_every_job_by_its_id_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    mutate(monkeypatch, jobs.job, "if tenant_id is not None:", "if False:")
    assert with_ids_of(stage, stage.a, stage.guest.token, stage.b, "getJob").seen


def test_a_build_that_lets_everybody_change_every_workspace_is_seen_by_what_changed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    before = fingerprint(stage.owner, stage.b)
    mutate(monkeypatch, door._place_of, *OF_EVERY_WORKSPACE)
    into(stage, stage.guest.token, stage.b, "saveView")
    assert fingerprint(stage.owner, stage.b) != before
