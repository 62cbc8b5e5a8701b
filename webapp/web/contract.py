"""What a call promises beyond its schemas: the headers it takes and gives, and when it comes to its end (AP-14)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, TypeVar

from flask import Flask, Response, current_app, request

View = TypeVar("View", bound=Callable[..., Any])
CONTRACT = "contract"

VISIBLE = "!-~\u00a1-\u00ac\u00ae-\u00ff"
"""Characters that show and that a header can carry."""
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A new text for every new request; a repeat with the same one gets the first answer again.",
    "schema": {
        "type": "string",
        "pattern": f"^[ {VISIBLE}]{{1,255}}$",
        "examples": ["b7e1c0de-0001"],
    },
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag that was read, so that nobody's change is overwritten unseen.",
    "schema": {"type": "string", "pattern": '^"?v[0-9]{1,10}"?$', "examples": ['"v1"']},
}


@dataclass(frozen=True, slots=True)
class End:
    """When a call was given up and when it goes; `instead` is where to read what to do."""

    deprecated: datetime
    sunset: datetime
    instead: str


@dataclass(slots=True)
class Contract:
    """What the decorators of this file said of a view."""

    key: str = ""
    """`required` or `optional` when it takes an Idempotency-Key."""
    takes_version: bool = False
    gives_version: bool = False
    body_optional: bool = False
    end: End | None = None


def contract_of(view: Callable[..., Any]) -> Contract:
    """Return what a view promises."""
    found: Contract = getattr(view, CONTRACT, None) or Contract()
    return found


def promises(
    *,
    key: str = "",
    takes_version: bool = False,
    gives_version: bool = False,
    body_optional: bool = False,
    end: End | None = None,
) -> Callable[[View], View]:
    """Declare what a call takes and gives; the description is written from it."""

    def mark(view: View) -> View:
        setattr(view, CONTRACT, Contract(key, takes_version, gives_version, body_optional, end))
        return view

    return mark


def install(app: Flask) -> None:
    """Announce the end of calls that have one (RFC 9745, RFC 8594)."""

    @app.after_request
    def announce(response: Response) -> Response:
        view = current_app.view_functions.get(request.endpoint or "")
        end = contract_of(view).end if view is not None else None
        if end is not None:
            response.headers["Deprecation"] = f"@{int(end.deprecated.timestamp())}"
            response.headers["Sunset"] = format_datetime(end.sunset.astimezone(UTC), usegmt=True)
            response.headers.add("Link", f'<{end.instead}>; rel="deprecation"')
        return response
