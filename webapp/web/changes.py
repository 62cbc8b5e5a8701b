"""Changes of the JSON API as a feed (RFC 4287): what came with each version, and which calls are to go (AP-14)."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Flask, Response, current_app, render_template, request

from webapp.web.contract import contract_of
from webapp.web.state import services

bp = Blueprint("api_feed", __name__, url_prefix="/api/v1")


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the feed; `name` is its own for ever."""

    name: str
    at: datetime
    title: str
    text: str
    link: str


RELEASES = (
    Change(
        name="0.1.0",
        at=datetime(2026, 11, 21, tzinfo=UTC),
        title="0.1.0: the first version",
        text="Accounts, entries, holds, periods, reconciliations, imports, members, tokens, jobs and the trail.",
        link="/api/v1/docs",
    ),
)
"""What came with each version, in words; a version that only mends has none."""


def changes(app: Flask) -> list[Change]:
    """Return the releases and the announced ends of calls, newest first."""
    ends = []
    for rule in app.url_map.iter_rules():
        end = contract_of(app.view_functions[rule.endpoint]).end
        if end is None:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            call = f"{method} {rule.rule}"
            ends.append(
                Change(
                    name=f"end/{rule.endpoint}/{method}",
                    at=end.deprecated,
                    title=f"{call} is to go",
                    text=f"It works until {end.sunset.date().isoformat()}. What to do instead: {end.instead}",
                    link=end.instead,
                )
            )
    return sorted([*RELEASES, *ends], key=lambda one: (one.at, one.name), reverse=True)


@bp.get("/changes.atom")
def feed() -> Response:
    """Give the feed of changes, for programs and people who follow them."""
    base = services().settings.base_url.rstrip("/") or request.host_url.rstrip("/")
    body = render_template("api/changes.xml", base=base, changes=changes(current_app))
    response = Response(body, mimetype="application/atom+xml")
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    return response.make_conditional(request)


feed.public = True  # type: ignore[attr-defined]  # read by identity's check of declarations
