"""Requests and answers of the OpenID AuthZEN Authorization API 1.0: JSON to questions, answers to JSON.

What the standard does not name in a request is ignored; what it requires and is missing, or is of another kind, is
refused with 400, or denied with the reason where it concerns one evaluation of a batch.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any
from uuid import UUID

from tenants.office.policies.rules import (
    ENTITY_BYTES_MAX,
    NAME_CHARS_MAX,
    TYPE_CHARS_MAX,
    Answer,
    Code,
    Party,
    Question,
)
from webapp.kernel.errors import N_, DomainError

BODY_BYTES_MAX = 1024 * 1024
EVALUATIONS_MAX = 1_000
PART_BYTES_MAX = ENTITY_BYTES_MAX
"""Of a subject, an action, a resource or a context, as JSON."""
PROPERTIES_MAX = 200
"""So many members one object of properties, or the context, may have."""
PAGE_DEFAULT, PAGE_MAX = 200, 1_000
SEMANTICS = frozenset({"execute_all", "deny_on_first_deny", "permit_on_first_permit"})
REQUIRED = ("subject", "action", "resource")


class Malformed(DomainError):
    """A body that the standard does not allow (AuthZEN 1.0, Error Responses: 400)."""

    code = "authzen_malformed"
    status = 400
    title = N_("The request cannot be understood")


@dataclass(frozen=True, slots=True)
class Batch:
    """Evaluations to be made one after the other: each a question, or why it is none."""

    items: tuple[Question | str, ...]
    semantic: str


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a search's results is asked for."""

    limit: int | None
    token: str
    is_asked: bool


def read_body(data: bytes) -> dict[str, Any]:
    """Read the JSON object of a request; raises Malformed."""
    if len(data) > BODY_BYTES_MAX:
        raise Malformed(N_("The body has more than %(most)d bytes. Send less at once."), most=BODY_BYTES_MAX)
    try:
        # As UTF-8 and nothing else: in UTF-16 the escapes below would not be seen.
        body = json.loads(data.decode(), parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\u" in data:
            # Halves of surrogate pairs are no text, and no text of the database holds NUL.
            json.dumps(body, ensure_ascii=False).encode()
            if "\\u0000" in json.dumps(body):
                raise Malformed(N_("A text contains a character that cannot be kept."))
    except (ValueError, RecursionError) as error:
        raise Malformed(N_("The body is no JSON that can be read.")) from error
    if not isinstance(body, dict):
        raise Malformed(N_("The body must be a JSON object."))
    if len(data) > PART_BYTES_MAX:
        _mind_sizes(body)
    return body


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def _mind_sizes(body: Mapping[str, Any]) -> None:
    """Refuse parts that are too large: the log keeps what was said beside each decision, also what a thousand share."""
    items = body.get("evaluations")
    for holder in (body, *(one for one in (items if isinstance(items, list) else ()) if isinstance(one, dict))):
        for name in (*REQUIRED, "context"):
            if name in holder and len(json.dumps(holder[name])) > PART_BYTES_MAX:
                raise Malformed(N_("“%(field)s” has more than %(most)d bytes."), field=name, most=PART_BYTES_MAX)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def read_question(body: Mapping[str, Any]) -> Question:
    """Read an evaluation request (section "Access Evaluation API Request"); raises Malformed."""
    action = _object(body, "action")
    return Question(
        _party(body, "subject"),
        _text(action, "action", "name", TYPE_CHARS_MAX),
        _party(body, "resource"),
        _properties(action, "action"),
        _context(body),
    )


def read_batch(body: Mapping[str, Any]) -> Batch | None:
    """Read an evaluations request; None when it is a single one (section "Access Evaluations API Request").

    Each evaluation takes the keys that it lacks from the top, whole. Raises Malformed.
    """
    items = body.get("evaluations")
    if items is None or items == []:
        return None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Malformed(N_("“evaluations” must be a list of objects."))
    if len(items) > EVALUATIONS_MAX:
        raise Malformed(N_("There are more than %(most)d evaluations. Send several requests."), most=EVALUATIONS_MAX)
    options = body.get("options", {})
    if not isinstance(options, dict):
        raise Malformed(N_("“%(field)s” must be an object."), field="options")
    semantic = options.get("evaluations_semantic", "execute_all")
    if not isinstance(semantic, str) or semantic not in SEMANTICS:
        raise Malformed(
            N_("“options.evaluations_semantic” must be one of %(known)s."), known=", ".join(sorted(SEMANTICS))
        )
    common = _common(body)
    return Batch(tuple(_item(item, common) for item in items), semantic)


def _common(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what evaluations may take from the top, read once; raises Malformed."""
    common: dict[str, Any] = {}
    for name in ("subject", "resource"):
        if name in body:
            common[name] = _party(body, name)
    if "action" in body:
        action = _object(body, "action")
        common["action"] = _text(action, "action", "name", TYPE_CHARS_MAX), _properties(action, "action")
    common["context"] = _context(body)
    return common


def _item(item: Mapping[str, Any], common: Mapping[str, Any]) -> Question | str:
    try:
        own = _common(item)
    except Malformed as error:
        return str(error)
    if "context" not in item:
        del own["context"]
    whole = {**common, **own}
    missing = [name for name in REQUIRED if name not in whole]
    if missing:
        return str(Malformed(MISSING, field=missing[0]))
    return Question(whole["subject"], whole["action"][0], whole["resource"], whole["action"][1], whole["context"])


def read_search(body: Mapping[str, Any], searched: str) -> tuple[Question, Page]:
    """Read a search request; what is searched for has an empty id or name. Raises Malformed."""
    page = _page(body)
    if searched == "action":
        parts = {"subject": _party(body, "subject"), "resource": _party(body, "resource")}
        return Question(parts["subject"], "", parts["resource"], {}, _context(body)), page
    action = _object(body, "action")
    name = _text(action, "action", "name", TYPE_CHARS_MAX)
    parts = {}
    for part in ("subject", "resource"):
        if part == searched:
            # Its id is to be ignored, and its properties can belong to none of those who are looked for.
            parts[part] = Party(_text(_object(body, part), part, "type", TYPE_CHARS_MAX), "")
        else:
            parts[part] = _party(body, part)
    return Question(parts["subject"], name, parts["resource"], _properties(action, "action"), _context(body)), page


def fingerprint(question: Question, searched: str) -> str:
    """Return what must stay the same from page to page of one search, in short."""
    told = [searched, question.subject.type, question.subject.id, question.action, question.resource.type]
    whole = json.dumps([*told, question.resource.id, question.told], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:24]


def decision_out(answer: Answer, *, decision_id: UUID, version: int) -> dict[str, Any]:
    """Write a decision with its reasons."""
    return {
        "decision": answer.permit,
        "context": {
            "id": str(decision_id),
            "code": answer.code.value,
            "reason": answer.reason,
            "policies": list(answer.policies),
            "version": version,
        },
    }


def reasons_out(answer: Answer, language: str, said: str) -> dict[str, Any]:
    """Write the reason for people, keyed by language: in English for who administers, as `said` for who asked."""
    return {"reason_admin": {"en": answer.reason}, "reason_user": {language: said}}


def invalid_out(reason: str) -> dict[str, Any]:
    """Write the denial of an evaluation that is not complete (section "Errors")."""
    return {
        "decision": False,
        "context": {"code": Code.INVALID.value, "reason": reason, "error": {"status": 400, "message": reason}},
    }


def run_batch(batch: Batch, decide: Callable[[list[Question]], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Make the evaluations of a batch as its semantic says; `decide` writes the decisions of some questions."""
    if batch.semantic == "execute_all":
        decided = iter(decide([item for item in batch.items if isinstance(item, Question)]))
        return [next(decided) if isinstance(item, Question) else invalid_out(item) for item in batch.items]
    stops_at = batch.semantic == "permit_on_first_permit"
    made = []
    for item in batch.items:
        made.append(decide([item])[0] if isinstance(item, Question) else invalid_out(item))
        if made[-1]["decision"] is stops_at:
            break
    return made


MISSING = N_("“%(field)s” is missing.")


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    if name not in body:
        raise Malformed(MISSING, field=name)
    found = body[name]
    if not isinstance(found, dict):
        raise Malformed(N_("“%(field)s” must be an object."), field=name)
    return found


def _party(body: Mapping[str, Any], name: str) -> Party:
    found = _object(body, name)
    return Party(
        _text(found, name, "type", TYPE_CHARS_MAX), _text(found, name, "id", NAME_CHARS_MAX), _properties(found, name)
    )


def _text(found: Mapping[str, Any], lead: str, name: str, most: int) -> str:
    value = found.get(name)
    if value is None and name not in found:
        raise Malformed(MISSING, field=f"{lead}.{name}")
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise Malformed(
            N_("“%(field)s” must be a text of 1 to %(most)d characters."), field=f"{lead}.{name}", most=most
        )
    return value


def _properties(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    return _bounded(found.get("properties", {}), f"{name}.properties")


def _context(body: Mapping[str, Any]) -> dict[str, Any]:
    return _bounded(body.get("context", {}), "context")


def _bounded(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(N_("“%(field)s” must be an object."), field=name)
    if len(value) > PROPERTIES_MAX:
        raise Malformed(N_("“%(field)s” has more than %(most)d members."), field=name, most=PROPERTIES_MAX)
    return value


def _page(body: Mapping[str, Any]) -> Page:
    page = body.get("page")
    if page is None:
        return Page(None, "", is_asked=False)
    if not isinstance(page, dict):
        raise Malformed(N_("“%(field)s” must be an object."), field="page")
    limit, token = page.get("limit"), page.get("token") or ""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise Malformed(N_("“page.limit” must be a whole number that is not negative."))
    if not isinstance(token, str):
        raise Malformed(N_("“page.token” must be a text."))
    return Page(None if limit is None else min(limit, PAGE_MAX), token, is_asked=True)
