"""The way through an import's pages: its steps, and what each page of it begins with."""

from flask import Response, request, url_for
from flask_babel import gettext as _

from tenants.money.imports.queries import ImportView
from tenants.money.imports.rules import State
from webapp.web.render import see_other


def go_on(location: str) -> Response:
    """Go to another page, also when a fragment of this one asked."""
    response = see_other(location)
    if request.headers.get("HX-Request-Type") == "partial":
        response.status_code = 200
        response.headers["HX-Redirect"] = response.headers.pop("Location")
    return response


def steps_of(view: ImportView) -> list[dict[str, str]]:
    """Return the wizard's steps; a file whose columns are known passes the second by."""
    reached = {
        State.RECEIVED: 1,
        State.RECOGNISING: 1,
        State.NEEDS_MAPPING: 1,
        State.CHECKING: 2,
        State.REVIEW: 2,
        State.PUBLISHING: 3,
        State.PUBLISHED: 4,
        State.REVERSING: 4,
        State.REVERSED: 4,
    }.get(State(view.state), 1)
    table = view.kind in {None, "csv", "xlsx"}
    names = [_("Upload"), _("Columns") if table else _("Format"), _("Check"), _("Publish")]
    steps = [
        {"label": name, "state": "done" if n < reached else "current" if n == reached else "todo"}
        for n, name in enumerate(names)
    ]
    if table and view.state in {State.REVIEW, State.FAILED} and view.mapping is not None:
        steps[1]["href"] = url_for("money_mappings.show_mapping", import_id=view.id)
    return steps
