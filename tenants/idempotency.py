"""Idempotency keys (AP-3): the answer is stored in the transaction of its effect, so both are there or neither.

A key is kept per workspace as long as the workspace lives, longer than any entry.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from flask import Response, g, make_response, request
from sqlalchemy import text

from webapp.kernel.crypto import of_bound_tenant, ring_of
from webapp.kernel.errors import N_, Conflict, DomainError

KEY_LENGTH_MAX = 255


class KeyMissing(DomainError):
    """A request that moves money carries no Idempotency-Key."""

    code = "idempotency_key_missing"
    status = 400
    title = N_("An Idempotency-Key is missing")
    message = N_("Send an Idempotency-Key header of 1 to 255 visible characters, so that a repeat books nothing twice.")


class KeyReused(DomainError):
    """The key was used before with another request."""

    code = "idempotency_key_reused"
    status = 422
    title = N_("The Idempotency-Key was used for another request")
    message = N_("Use a new key for a new request.")


class KeyInFlight(Conflict):
    """A request with this key is being worked on."""

    code = "idempotency_key_in_flight"
    message = N_("A request with this Idempotency-Key is still being worked on. Repeat it in a moment.")


_LOCK_AND_FIND = text("""
    SELECT l.free, i.fingerprint, i.status, i.location, i.body, i.body_sealed
    FROM (SELECT pg_try_advisory_xact_lock(hashtext(current_schema()), hashtext(:key)) AS free) AS l
    LEFT JOIN idempotency i ON i.key = :key
""")
_KEEP = text("""
    INSERT INTO idempotency (key, fingerprint, status, location, body, body_sealed, created_at)
    VALUES (:key, :fingerprint, :status, :location, :body, :body_sealed, :at) ON CONFLICT DO NOTHING RETURNING 1
""")


def once(
    act: Callable[[], tuple[Any, int, str]],
    *,
    required: bool = True,
    content: bytes | None = None,
    sealed: bool = False,
) -> Response:
    """Run `act` (returning body, status, location) once per key; a repeat gets the stored answer, marked.

    `content` stands for the body of a request that is too large to be held, an upload: its digest and its fields.
    An answer that names bank numbers is kept `sealed`.
    Raises KeyMissing, KeyReused, KeyInFlight and whatever `act` raises, which stores nothing.
    """
    key = request.headers.get("Idempotency-Key", "")
    if "Idempotency-Key" not in request.headers and not required:
        body, status, location = act()
        return _answer(json.dumps(body), status, location)
    if not 0 < len(key) <= KEY_LENGTH_MAX or not key.isprintable():
        raise KeyMissing
    body_seen = request.get_data(cache=True) if content is None else content
    asked = (request.method.encode(), request.path.encode(), body_seen, *_whose())
    fingerprint = hashlib.sha256(b"\0".join(asked)).digest()
    stored = g.db.execute(_LOCK_AND_FIND, {"key": key}).one()
    if not stored.free:
        raise KeyInFlight
    if stored.fingerprint is not None:
        if bytes(stored.fingerprint) != fingerprint:
            raise KeyReused
        written = stored.body if stored.body_sealed is None else _open(stored.body_sealed, key)
        response = _answer(written, stored.status, stored.location or "")
        response.headers["Idempotency-Replayed"] = "true"
        g.unweighed = False  # Nothing is written again.
        return response
    body, status, location = act()
    written = json.dumps(body)
    kept = g.db.scalar(
        _KEEP,
        {
            "key": key,
            "fingerprint": fingerprint,
            "status": status,
            "location": location or None,
            "body": None if sealed else written,
            "body_sealed": ring_of(g.db).seal(written.encode(), context=_context(key)) if sealed else None,
            "at": g.at,
        },
    )
    if kept is None:
        # The other request committed between our look and our lock: what it did stands, what we did is rolled back.
        raise KeyInFlight
    return _answer(written, status, location)


def _whose() -> tuple[bytes, ...]:
    """Return whose request it is where not everybody may see its answer: somebody who is let in for single accounts."""
    extent = g.get("extent")
    return () if extent is None or extent.is_whole else (g.person.id.bytes,)


def _open(kept: bytes, key: str) -> str:
    return ring_of(g.db).open(bytes(kept), context=_context(key)).decode()


def _context(key: str) -> str:
    return f"{of_bound_tenant('idempotency.body', g.db)}/{key}"


def _answer(body: str, status: int, location: str) -> Response:
    response = make_response(body, status)
    response.content_type = "application/json"
    if location:
        response.headers["Location"] = location
    return response
