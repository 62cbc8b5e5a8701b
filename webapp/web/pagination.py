"""Opaque signed cursors (AP-5): keyset positions that a reader cannot forge or carry to another list."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, jsonify, request
from itsdangerous import BadData, URLSafeSerializer

from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.web.state import services

LIMIT_DEFAULT = 50
LIMIT_MAX = 500

Row = TypeVar("Row")


def sign_cursor(purpose: str, position: list[Any]) -> str:
    """Write a position (JSON values) as an opaque cursor of one list."""
    return _serializer(purpose).dumps(position)


def read_cursor(purpose: str, cursor: str | None) -> list[Any] | None:
    """Read a cursor back.

    Raises Invalid (cursor) for one that was not made by this list.
    """
    if not cursor:
        return None
    try:
        position = _serializer(purpose).loads(cursor)
    except BadData:
        position = None
    if not isinstance(position, list):
        raise Invalid(errors=(FieldError("cursor", "cursor", N_("This cursor is not one of this list.")),))
    return position


def cut(
    rows: Sequence[Row], limit: int, purpose: str, position: Callable[[Row], list[Any]]
) -> tuple[Sequence[Row], str | None]:
    """Return one page of `limit + 1` rows that were read, and the cursor of the next page if there is one."""
    page = rows[:limit]
    return page, sign_cursor(purpose, position(page[-1])) if len(rows) > limit else None


def only(rows: list[dict[str, Any]], fields: str | None) -> list[dict[str, Any]]:
    """Leave of each row the named fields alone (AP-9), with commas between them; all when none is named."""
    wanted = fields.split(",") if fields else []
    return [{name: row[name] for name in wanted if name in row} for row in rows] if wanted else rows


def answer_page(data: list[Any], cursor: str | None) -> Response:
    """Answer with a page of a list, with the fields alone that were asked for; a Link tells the next one (RFC 8288)."""
    data = only(data, request.args.get("fields"))
    response = jsonify(data=data, next_cursor=cursor, has_more=cursor is not None)
    if cursor is not None:
        question = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
        response.headers.add("Link", f'<{request.path}?{urlencode([*question, ("cursor", cursor)])}>; rel="next"')
    return response


def _serializer(purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(services().settings.secret_key, salt=f"cursor/{purpose}")
