"""The decision point of a store for other systems: the OpenID AuthZEN Authorization API 1.0.

A bearer token of the workspace with the scope `access:read` asks. Denials are answers (200); only what cannot be read,
or may not ask, is an error.
"""

import json
from time import perf_counter_ns
from typing import Any

from flask import Blueprint, Response, current_app, g, request
from flask_babel import get_locale

from tenants.door import PAGES_PREFIX, binds_itself, guard_room
from tenants.office.policies import authzen, workspace
from tenants.office.policies.authzen import Malformed
from tenants.office.policies.journal import JOURNAL, Journal, Line
from tenants.office.policies.points import Points, Ready
from tenants.office.policies.rules import REASONS, Answer, Code, Question
from tenants.office.policies.search import search
from webapp.access.door import LISTENERS
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_
from webapp.web.limits import count_evaluation
from webapp.web.openapi import reads_itself
from webapp.web.pagination import read_cursor, sign_cursor
from webapp.web.problem import translate
from webapp.web.state import KEY, services

bp = Blueprint("access", __name__, url_prefix=f"{PAGES_PREFIX}/access/<store>/access/v1")
bp.before_request(count_evaluation)
guard_room(bp)

POINTS = "policy_points"
REQUEST_ID_MAX = 200
NOT_ACTIVE = Answer(permit=False, code=Code.NOT_ACTIVE)


@bp.record_once
def _furnish(state: Any) -> None:
    """Give the application its stores and its decision log, which hears of the guard's decisions too."""
    state.app.extensions[POINTS] = Points()
    journal = state.app.extensions[JOURNAL] = Journal(state.app.extensions[KEY].database)
    heard = workspace.recorder(journal, lambda: str(g.get("request_id", "")))
    state.app.extensions.setdefault(LISTENERS, []).append(heard)


@bp.after_request
def _echo(response: Response) -> Response:
    """Answer with the caller's own request id, whatever it is (AuthZEN 1.0, Request Identification)."""
    given = request.headers.get("X-Request-ID", "")
    if 0 < len(given) <= REQUEST_ID_MAX and given.isascii() and given.isprintable():
        response.headers["X-Request-ID"] = given
    return response


@bp.post("/evaluation")
@binds_itself
@reads_itself
@requires(Permission.ACCESS_DECISIONS_READ)
def evaluate(slug: str, store: str) -> Response:
    """Answer one evaluation."""
    del slug
    question = authzen.read_question(_body())
    return _json(_decide(_ready(store), [question])[0])


@bp.post("/evaluations")
@binds_itself
@reads_itself
@requires(Permission.ACCESS_DECISIONS_READ)
def evaluate_many(slug: str, store: str) -> Response:
    """Answer a batch of evaluations, or a single one when there is no batch in the body."""
    del slug
    body = _body()
    batch = authzen.read_batch(body)
    ready = _ready(store)
    if batch is None:
        return _json(_decide(ready, [authzen.read_question(body)])[0])
    return _json({"evaluations": authzen.run_batch(batch, lambda questions: _decide(ready, questions))})


@bp.post("/search/<any(subject, resource, action):searched>")
@binds_itself
@reads_itself
@requires(Permission.ACCESS_DECISIONS_READ)
def find(slug: str, store: str, searched: str) -> Response:
    """Answer a page of who may, on what, or what may be done."""
    del slug
    question, page = authzen.read_search(_body(), searched)
    ready, began = _ready(store), perf_counter_ns()
    mark, after, limit = authzen.fingerprint(question, searched), "", page.limit
    if page.token:
        place = read_cursor(f"access/{g.tenant.id}/{store}", page.token)
        if place is None or place[0] != mark or (limit is not None and limit != place[2]):
            raise Malformed(N_("“page.token” belongs to another search. Send what was sent with the first page."))
        after, limit = place[1], place[2]
    found = None
    if ready.point is not None:
        most = authzen.PAGE_DEFAULT if limit is None else limit
        found = search(ready.point, question, searched, after=after, limit=most)
    names = found.names if found else ()
    _note_search(ready, question, searched, len(names), began)
    kind = "" if searched == "action" else getattr(question, searched).type
    results = [{"name": name} if searched == "action" else {"type": kind, "id": name} for name in names]
    answer: dict[str, Any] = {}
    goes_on = found is not None and found.goes_on_after is not None
    if goes_on or page.is_asked:
        token = ""
        if found is not None and found.goes_on_after is not None:
            token = sign_cursor(f"access/{g.tenant.id}/{store}", [mark, found.goes_on_after, limit])
        answer["page"] = {"next_token": token, "count": len(results)}
    answer["results"] = results
    return _json(answer)


def _body() -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise Malformed(N_("Send the body as Content-Type: application/json."))
    return authzen.read_body(request.get_data(cache=False))


def _ready(store: str) -> Ready:
    points: Points = current_app.extensions[POINTS]
    return points.ready(g.db, g.tenant, store)


def _decide(ready: Ready, questions: list[Question]) -> list[dict[str, Any]]:
    """Decide, note the decisions for the log, and write them as the standard says."""
    point = ready.point
    if point is None:
        answers = [NOT_ACTIVE] * len(questions)
    elif len(questions) == 1:
        answers = [point.decide(questions[0])]
    else:
        answers = point.decide_many(questions)
    journal: Journal = current_app.extensions[JOURNAL]
    made = []
    new_id = services().new_id
    # What people read is written in their language for who says which one that is; programs have the code.
    is_read = "Accept-Language" in request.headers
    language = str(get_locale()) if is_read else ""
    for question, answer in zip(questions, answers, strict=True):
        decision_id = new_id()
        journal.put(
            Line(
                g.tenant.ref,
                ready.store_id,
                decision_id,
                g.at,
                ready.version,
                question,
                answer,
                g.actor.person_id,
                g.request_id,
            ),
            percent=ready.log_percent,
        )
        out = authzen.decision_out(answer, decision_id=decision_id, version=ready.version)
        if is_read:
            said = translate(REASONS[answer.code], {"detail": answer.detail})
            out["context"] |= authzen.reasons_out(answer, language, said)
        made.append(out)
    return made


def _note_search(ready: Ready, question: Question, searched: str, count: int, began: int) -> None:
    """Write into the decision log what was searched for and how much was found; it is no decision of its own."""
    took = (perf_counter_ns() - began) // 1000
    answer = Answer(count > 0, Code.SEARCHED, (f"{searched}: {count}",), "", took)
    line = Line(
        g.tenant.ref,
        ready.store_id,
        services().new_id(),
        g.at,
        ready.version,
        question,
        answer,
        g.actor.person_id,
        g.request_id,
    )
    journal: Journal = current_app.extensions[JOURNAL]
    journal.put(line, percent=ready.log_percent)


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body, separators=(",", ":")), content_type="application/json")
