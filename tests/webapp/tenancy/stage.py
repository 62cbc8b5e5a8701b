"""Two workspaces full of canaries, and the probes that try to see one from the other. A probe returns what it found."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine
from werkzeug.exceptions import HTTPException

from tests.cast import Person
from tests.webapp.tenancy.contents import PLACES, Nest, fill, fingerprint, make_guest, make_nest
from tests.webapp.tenancy.routes import Call, Caller, Document, Form, Ids, calls, read_page, told
from tests.webapp.tenancy.statements import StatementLog, statement_log
from webapp.access.permissions import SCOPES
from webapp.identity import tokens
from webapp.kernel import crypto
from webapp.kernel.db import Database
from webapp.web.state import KEY

SHARED, APART = 1000, 5000
"""First ids of what both workspaces have, and of what only the second has."""
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "main#main"}


@dataclass(slots=True)
class Stage:
    """Workspace A, whose people attack; workspace B, whose canary nobody of A may see."""

    app: Flask
    owner: Engine
    a: Nest
    b: Nest
    shared: Ids
    apart: Ids
    guest: Person
    forms: dict[str, Form] = field(default_factory=dict)
    log: StatementLog | None = None

    @property
    def database(self) -> Database:
        found: Database = self.app.extensions[KEY].database
        return found

    @property
    def nowhere(self) -> str:
        """Return a short name, as long as B's, that no workspace has."""
        return f"cc-{'0' * len(self.b.canary)}"

    @property
    def unknown(self) -> Ids:
        """Return ids, as long as B's, that nothing has."""
        return {name: known if name in PLACES else _unlike(known) for name, known in self.apart.items()}

    def statements(self) -> list[str]:
        return self.log.read() if self.log else []


def _unlike(known: Any) -> Any:
    if isinstance(known, int):
        return known + 2000
    return uuid4() if isinstance(known, UUID) else str(known)[:-8] + secrets.token_hex(4)


def set_stage(app: Flask, owner: Engine) -> Stage:
    """Fill both workspaces with rows of the same ids, and B with rows whose ids only it has; a guest owns both."""
    a, b = make_nest(app, owner, "a"), make_nest(app, owner, "b")
    fill(owner, a, SHARED)
    fill(owner, b, SHARED)
    shared = dict(b.ids)
    fill(owner, b, APART)
    stage = Stage(app, owner, a, b, shared, dict(b.ids), make_guest(app, a, b))
    stage.guest.workspace, stage.guest.token = a.workspace, token_for(stage, a, stage.guest)
    return stage


@contextmanager
def watched(stage: Stage) -> Iterator[Stage]:
    """Read the statements of every call from the server's log; the pool is renewed before and after.

    No call happens to be the one that asks again which data key is the current one.
    """
    with statement_log(stage.owner) as log, pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "REFRESH_SECONDS", float("inf"))
        stage.database.engine.dispose()
        stage.log = log
        try:
            Caller(stage.a.owner)
            assert log.read(), "the server's log tells no statement, so nothing would be compared"
            yield stage
        finally:
            stage.log = None
            stage.database.engine.dispose()


def token_for(stage: Stage, nest: Nest, person: Person) -> str:
    """Make an API token of a person for one workspace."""
    with stage.database.platform() as session:
        return tokens.create_token(
            session=session,
            actor=person.actor,
            at=datetime.now(UTC),
            token_id=secrets.token_hex(8),
            secret=secrets.token_urlsafe(32),
            tenant_id=nest.workspace.ref.id,
            person_id=person.id,
            name="probe",
            scopes=frozenset(SCOPES),
            known_scopes=SCOPES,
        )


def collect_forms(stage: Stage) -> None:
    """Keep what the forms of A's own pages would send, by endpoint, so that posts get past the parsing of forms."""
    caller = Caller(stage.a.owner)
    adapter = stage.app.url_map.bind("localhost")
    for call in calls(stage.app):
        if call.is_api or call.method != "GET":
            continue
        answer = caller.call(call, call.path(stage.a.workspace.slug, stage.a.ids))
        if not answer.mimetype.endswith("html"):
            continue
        for form in read_page(answer.get_data(as_text=True))[1]:
            try:
                endpoint, _ = adapter.match(form.action.partition("?")[0], method=form.method)
            except HTTPException:
                continue
            if form.method == "POST":
                stage.forms[str(endpoint)] = form


def _compared(
    stage: Stage,
    caller: Caller,
    call: Call,
    real: tuple[str, Ids],
    unreal: tuple[str, Ids],
    headers: dict[str, str] | None = None,
    inside: Ids | None = None,
) -> tuple[int, list[str]]:
    """Make a call for something of B and for something that is nowhere; return the status and the differences.

    `inside` are the ids in bodies, forms and queries, when they are not those of the address.
    """
    document = Document(stage.app)
    answers, statements = [], []
    for slug, ids in (real, unreal):
        sent: dict[str, Any] = {"headers": headers}
        query = ""
        if call.is_api:
            sent["body"] = document.body(call, inside or ids)
            query = "&".join(f"{name}={(inside or ids)['account']}" for name in document.queries(call))
        elif call.rule.endpoint in stage.forms:
            sent["form"] = _with_ids(stage, stage.forms[call.rule.endpoint].fields, inside or ids)
        stage.statements()
        answer = caller.call(call, call.path(slug, ids) + (f"?{query}" if query else ""), **sent)
        answers.append(
            told(answer, slug, *sorted({str(one) for name, one in ids.items() if name not in PLACES}, key=len))
        )
        statements.append(stage.statements())
    found = []
    if answers[0] != answers[1]:
        found.append(f"{call}: {_difference(answers[0], answers[1])}")
    if statements[0] != statements[1]:
        found.append(f"{call}: other statements for something that exists: {_first_unlike(*statements)}")
    if answers[0][0] < 400:
        found.append(f"{call}: answers {answers[0][0]}")
    return answers[0][0], found


def _with_ids(stage: Stage, fields: dict[str, str], ids: Ids) -> dict[str, str]:
    """Replace A's ids in a form's fields by others."""
    swap = {str(known): str(ids[table]) for table, known in stage.a.ids.items() if table in ids and table not in PLACES}
    swap[str(SHARED)] = str(ids["account"] - 1)
    return {name: swap.get(value, value) for name, value in fields.items()}


def _difference(one: Any, other: Any) -> str:
    for mine, its, name in zip(one, other, ("status", "body", "headers"), strict=True):
        if mine != its:
            return f"{name} {mine!r:.300} is not {its!r:.300}"
    return ""


def _first_unlike(one: list[str], other: list[str]) -> str:
    for number in range(max(len(one), len(other))):
        if one[number : number + 1] != other[number : number + 1]:
            return f"{one[number : number + 1]} is not {other[number : number + 1]}"
    return ""


def foreign_workspace(stage: Stage) -> list[str]:
    """Call everything of B as a person of A: nothing must differ from a workspace that is nowhere."""
    found, caller = [], Caller(stage.a.owner)
    guest = Caller(stage.guest)
    for call in calls(stage.app):
        real, unreal = (stage.b.workspace.slug, stage.shared), (stage.nowhere, stage.shared)
        variants: list[dict[str, str]] = [{}] if call.is_api or call.method != "GET" else [{}, HTMX]
        for headers in variants:
            status, differences = _compared(stage, caller, call, real, unreal, headers)
            found += differences
            if status != 404:
                found.append(f"{call}: {status} instead of 404")
        if call.is_api:
            # A member of both: a token for A must not open B.
            status, differences = _compared(stage, guest, call, real, unreal)
            found += differences
            if status != 404:
                found.append(f"{call}: {status} instead of 404 with A's token of a member of both")
    return found


def foreign_ids(stage: Stage, reached: dict[str, int] | None = None) -> list[str]:
    """Call everything of A with ids that only B has: nothing must differ from ids that nothing has."""
    found, caller, document = [], Caller(stage.a.owner), Document(stage.app)
    slug = stage.a.workspace.slug
    for call in calls(stage.app):
        if not (call.parameters or _sends_ids(stage, document, call)):
            continue
        real, unreal = (slug, stage.apart), (slug, stage.unknown)
        status, differences = _compared(stage, caller, call, real, unreal)
        if call.parameters and status != 404:
            # It stumbled over what was sent along: once more with A's own ids there.
            status, more = _compared(stage, caller, call, real, unreal, inside=stage.a.ids)
            differences += more
        if reached is not None:
            reached[str(call)] = status
        if not call.parameters:
            # A list that is filtered by an unknown id may be empty, and a post without foreign ids may succeed.
            differences = [
                one for one in differences if not one.endswith(("answers 200", "answers 201", "answers 303"))
            ]
        found += differences
    return found


def _sends_ids(stage: Stage, document: Document, call: Call) -> bool:
    """Tell whether a call without ids in its address takes some in its body, its query or its form."""
    if call.is_api:
        return "_id" in str(document.body(call, {"account": 1})) or any(document.queries(call))
    form = stage.forms.get(call.rule.endpoint) if call.method != "GET" else None
    return form is not None and _with_ids(stage, form.fields, stage.apart) != form.fields


def unchanged(stage: Stage, before: dict[str, str]) -> list[str]:
    """Compare B with what it was."""
    after = fingerprint(stage.owner, stage.b)
    return [f"{table} of B has changed" for table in after if after[table] != before[table]]
