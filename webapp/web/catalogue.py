"""The page that the `type` of every problem document leads to: each code with its meaning and what to do (AP-2)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response
from flask_babel import gettext as _

from webapp.kernel.errors import N_, DomainError
from webapp.web.problem import CODES, DETAILS, TITLES
from webapp.web.render import render

ADVICE = {
    "forbidden": N_("The detail names the permission or the scope that is missing. An owner can give it."),
    "conflict": N_("Read what is there now, then decide again."),
    "unstorable_text": N_("Leave out NUL and halves of surrogate pairs: no text can hold them."),
    "internal_error": N_("Repeat the call; with an Idempotency-Key nothing is booked twice. Then tell the request_id."),
    "busy": N_("Wait as many seconds as Retry-After says, then repeat the call."),
    "database_unreachable": N_("Wait as many seconds as Retry-After says, then repeat the call."),
    "storage_full": N_("Tell whoever runs the installation that its disk is full; repeat the call when there is room."),
}
"""What to do about codes that have no message of their own, or one that is made when they happen."""
READ_ON = N_("Read the description of the call, then send it anew.")
OTHERS = {"unstorable_text": 422, "busy": 503, "database_unreachable": 503, "storage_full": 503}
"""Codes that the doors themselves give, besides those of HTTP."""

bp = Blueprint("api_problems", __name__, url_prefix="/api/v1")


@dataclass(slots=True)
class Entry:
    """One code: its status, what it is called, and what to do, in the reader's language."""

    code: str
    status: int
    title: str
    advice: list[str]


def catalogue() -> list[Entry]:
    """Return every code that a problem can have, in alphabetical order."""
    found: dict[str, Entry] = {}
    for code, status, title, message in _told():
        entry = found.setdefault(code, Entry(code, status, _(title), []))
        words = re.sub(r"%\(\w+\)s", "…", _(message)) if message else ""
        if words and words not in entry.advice:
            entry.advice.append(words)
    return [found[code] for code in sorted(found)]


def _told() -> Iterator[tuple[str, int, str, str]]:
    for failure in _below(DomainError):
        yield failure.code, failure.status, failure.title, failure.message or ADVICE.get(failure.code, READ_ON)
    codes = {code: status for status, code in CODES.items()} | OTHERS
    for code, status in codes.items():
        yield code, status, TITLES[status], ADVICE.get(code) or DETAILS.get(status, READ_ON)


def _below(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


@bp.get("/problems")
def problems() -> Response:
    """Show what each code means and what to do."""
    return render("api/problems.html", entries=catalogue())


problems.public = True  # type: ignore[attr-defined]  # read by identity's check of declarations
