"""What the doors of imports answer with: the import as it is, after a step of its work, and its rows as a file."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Response, g
from flask_openapi3 import APIBlueprint

from tenants.door import api_room
from tenants.idempotency import once
from tenants.money.accounts.shown import keep_within
from tenants.money.imports import exports, queries, stated
from tenants.money.imports.presentation import balance_out, import_out, too_large
from tenants.money.imports.queries import ImportView
from tenants.schemas import Problem
from webapp.kernel.errors import NotFound


def imports_room(name: str, module: str) -> APIBlueprint:
    """Make the blueprint of a door of imports: a body that is too large is answered with the size that is taken."""
    blueprint = api_room(name, module, tag="imports", answers={413: Problem})
    keep_within(blueprint, "import_id", lambda key: queries.account_of(session=g.db, import_id=key))
    blueprint.register_error_handler(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large)
    return blueprint


def found_import(import_id: int) -> ImportView:
    """Return the import of the address. Raises NotFound."""
    view = queries.imported(session=g.db, import_id=import_id)
    if view is None:
        raise NotFound
    return view


def whole_import(import_id: int) -> dict[str, Any]:
    """Write an import for JSON with its balances. Raises NotFound."""
    view = found_import(import_id)
    balances = [] if view.is_working else [balance_out(one) for one in stated.balances(session=g.db, view=view)]
    return import_out(view, g.at) | {"balances": balances}


def accepted(import_id: int) -> tuple[Any, int, str]:
    """Return the answer to what a job goes on with: the import, and where to follow it."""
    return whole_import(import_id), 202, f"/api/v1/t/{g.slug}/imports/{import_id}"


def decided(import_id: int) -> tuple[Any, int, str]:
    """Return the answer to what is done at once."""
    return whole_import(import_id), 200, ""


def after(
    step: Callable[..., object], answer: Callable[[int], tuple[Any, int, str]], import_id: int, **said: Any
) -> Response:
    """Take one step of an import, once per Idempotency-Key, and give the answer to it."""

    def act() -> tuple[Any, int, str]:
        step(session=g.db, actor=g.actor, at=g.at, import_id=import_id, **said)
        return answer(import_id)

    return once(act, required=False, sealed=True)


def csv_answer(view: ImportView, state: str | None) -> Response:
    """Answer with the rows of an import as a CSV file."""
    body = "".join(exports.csv_rows(session=g.db, view=view, state=state))
    response = Response(body, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="import-{view.id}.csv"'
    return response
