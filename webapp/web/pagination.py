"""Opaque signed cursors (AP-5): keyset positions that a reader cannot forge or carry to another list."""

from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from webapp.kernel.errors import FieldError, Invalid, N_
from webapp.web.state import services

LIMIT_DEFAULT = 50
LIMIT_MAX = 500


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


def _serializer(purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(services().settings.secret_key, salt=f"cursor/{purpose}")
