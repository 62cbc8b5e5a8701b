"""Everything that A can open is opened: pages, fragments, lists, exports, errors, logs. B's canary is nowhere."""

import re
from collections import deque
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from tests.webapp.tenancy.logged import rendered_logs
from tests.webapp.tenancy.routes import Caller, Document, calls, read_page
from tests.webapp.tenancy.stage import HTMX, Stage
from webapp.kernel import db

ANSWERS_MAX = 400
QUERIES = ("?q=a", "?q=12.34", "?limit=500", "?limit=0", "?cursor=x", "?sort=-date&state=wrong&page=2")


class Seen:
    """What was seen: the addresses with A's canary in them, those with B's, and those that failed."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.own: set[str] = set()
        self.foreign: list[str] = []
        self.failed: list[str] = []

    def look(self, where: str, answer: TestResponse) -> str:
        """Search one answer and return it as text."""
        where_typed = answer.request.path
        told = answer.get_data() + repr(list(answer.headers.items())).encode()
        if self.stage.a.canary.encode() in told.replace(self.stage.a.workspace.slug.encode(), b""):
            self.own.add(re.sub(r"\?.*| by.*", "", where))
        # What the address itself said is no find: some of B's ids are names that carry its canary.
        typed = [one for one in self.stage.apart.values() if isinstance(one, str) and one in where_typed]
        for one in typed:
            told = told.replace(one.encode(), b"")
        if self.stage.b.canary.encode() in told:
            self.foreign.append(where)
        if answer.status_code >= 500:
            self.failed.append(f"{where}: {answer.status_code}")
        return told.decode(errors="replace")


def crawl(stage: Stage) -> Iterator[Seen]:
    """Open everything as A's owner, by address and by link; yield what was seen so far after each answer."""
    caller, document, seen = Caller(stage.a.owner), Document(stage.app), Seen(stage)
    slug = stage.a.workspace.slug
    for call in calls(stage.app):
        if call.method != "GET":
            body = document.body(call, stage.apart) if call.is_api else None
            seen.look(f"{call} with B's ids", caller.call(call, call.path(slug, stage.apart), body=body))
            yield seen
            continue
        own = call.path(slug, stage.a.ids)
        others = [call.path(slug, ids) for ids in (stage.apart, stage.unknown)]
        for path in [own, *(others if call.parameters else (own + query for query in QUERIES))]:
            seen.look(f"GET {path}", caller.call(call, path))
            yield seen
        if not call.is_api:
            seen.look(f"GET {own} by htmx", caller.call(call, own, headers=HTMX))
            yield seen
    yield from _follow(stage, caller, seen)


def _follow(stage: Stage, caller: Caller, found: Seen) -> Iterator[Seen]:
    """Follow the links of pages from the front page on."""
    waiting, seen = deque(["/", f"/t/{stage.a.workspace.slug}/"]), set()
    while waiting and len(seen) < ANSWERS_MAX:
        path = waiting.popleft()
        if path in seen or path.startswith("/static"):
            continue
        seen.add(path)
        answer = caller.client.get(path)
        html = found.look(f"GET {path} by link", answer)
        yield found
        if answer.headers.get("Location"):
            waiting.append(urlsplit(answer.headers["Location"]).path)
        if answer.mimetype.endswith("html"):
            targets = (urlsplit(urljoin(path, link)) for link in read_page(html)[0])
            waiting.extend(f"{to.path}?{to.query}".rstrip("?") for to in targets if to.netloc in {"", "localhost"})


def test_nothing_of_b_is_in_anything_that_a_can_open(stage: Stage):
    with rendered_logs() as lines:
        *_, seen = crawl(stage)
    logged = "\n".join(lines)
    assert seen.foreign == []
    assert seen.failed == []
    assert stage.b.canary not in logged
    # What finds nothing proves nothing: A's own canary is all over, and the log was read.
    assert len(seen.own) >= 10
    assert len(lines) >= 100
    # And no log says what A's people write, nor how they sign in.
    for secret in (stage.a.canary, stage.a.owner.token, stage.a.owner.session_secret):
        assert secret not in logged


def test_a_build_that_binds_everybody_to_one_workspace_turns_the_crawl_red(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    bind = db.bind_tenant
    monkeypatch.setattr("tenants.door.bind_tenant", lambda session, _tenant: bind(session, stage.b.workspace.ref))
    assert any(seen.foreign for seen in crawl(stage))


def test_a_build_whose_schemas_are_mixed_up_turns_the_crawl_red(stage: Stage, owner: Engine):
    a, b = stage.a.workspace.ref.schema, stage.b.workspace.ref.schema
    with owner.begin() as connection:
        connection.execute(text(f"GRANT USAGE ON SCHEMA {b} TO {a}"))
        connection.execute(text(f"GRANT SELECT ON {b}.entry TO {a}"))
        connection.execute(text(f"ALTER TABLE {a}.entry RENAME TO entry_kept"))
        connection.execute(text(f"CREATE VIEW {a}.entry AS SELECT * FROM {b}.entry"))
        connection.execute(text(f"GRANT SELECT ON {a}.entry TO {a}"))
    try:
        assert any(seen.foreign for seen in crawl(stage))
    finally:
        with owner.begin() as connection:
            connection.execute(text(f"DROP VIEW {a}.entry"))
            connection.execute(text(f"ALTER TABLE {a}.entry_kept RENAME TO entry"))
            connection.execute(text(f"REVOKE ALL ON SCHEMA {b} FROM {a}"))
            connection.execute(text(f"REVOKE SELECT ON {b}.entry FROM {a}"))
