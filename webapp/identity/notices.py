"""What a person is told by mail about their own account, in the transaction of the act: no act, no mail."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.identity import queries
from webapp.identity.rules import is_email
from webapp.kernel.actor import Actor
from webapp.kernel.db import on_platform
from webapp.kernel.errors import NotFound
from webapp.kernel.ids import new_id
from webapp.mail.commands import send_mail

KINDS: dict[str, frozenset[str]] = {
    "account_locked": frozenset({"minutes"}),
    "account_reset": frozenset(),
    "app_added": frozenset(),
    "app_removed": frozenset(),
    "device_signed_in": frozenset(),
    "email_changed": frozenset({"old", "new"}),
    "erasure_asked_for": frozenset({"workspace", "slug", "by", "when"}),
    "erasure_called_back": frozenset({"workspace", "by"}),
    "export_made": frozenset({"workspace", "what"}),
    "identity_linked": frozenset({"provider"}),
    "member_removed": frozenset({"workspace", "by"}),
    "passkey_added": frozenset({"passkey"}),
    "passkey_removed": frozenset({"passkey"}),
    "password_changed": frozenset(),
    "program_let_in": frozenset({"client", "workspace"}),
    "recovery_code_used": frozenset({"left"}),
    "recovery_codes_made": frozenset(),
    "refresh_token_reused": frozenset({"client", "workspace"}),
    "role_changed": frozenset({"workspace", "role", "by"}),
    "service_token_created": frozenset({"token", "account", "workspace"}),
    "service_token_rotated": frozenset({"token", "account", "workspace"}),
    "token_created": frozenset({"token", "workspace"}),
    "token_rotated": frozenset({"token", "workspace"}),
    "workspace_erased": frozenset({"workspace", "erasure"}),
}
"""Kind of notice (its template in templates/mail) to what it must be told."""
WHERE = frozenset({"address", "browser"})
"""What every kind may be told besides: the network address, and the browser's own description of itself."""
BROWSER_LENGTH_MAX = 300


def tell(
    *,
    session: Session,
    person_id: UUID,
    kind: str,
    params: dict[str, Any],
    at: datetime,
    actor: Actor | None = None,
    to: str | None = None,
) -> None:
    """Queue a mail to a person, in their language; `to` is another address of theirs.

    It is a job of the platform, so that no workspace reads it, and a suspended one holds nothing up. `actor` is whose
    act it tells of, and from where. Raises NotFound for nobody, ValueError for params that the kind does not take.
    """
    if not KINDS[kind] <= set(params) <= KINDS[kind] | WHERE:
        raise ValueError(f"the notice {kind} takes {sorted(KINDS[kind])} and {sorted(WHERE)}, not {sorted(params)}")
    if session.info.get("tenant") is not None:
        with on_platform(session):
            _queue(session, person_id, kind, params, at, actor, to)
    else:
        _queue(session, person_id, kind, params, at, actor, to)


def _queue(
    session: Session,
    person_id: UUID,
    kind: str,
    params: dict[str, Any],
    at: datetime,
    actor: Actor | None,
    to: str | None,
) -> None:
    reader = queries.people(session=session, ids={person_id}).get(person_id)
    if reader is None:
        raise NotFound
    if not is_email(reader.email):
        # A service account reads no mail.
        return
    where = {"address": actor.source_address if actor else "", "browser": ""}
    values = {**where, **params, "name": reader.name, "at": at.isoformat()}
    values["browser"] = values["browser"][:BROWSER_LENGTH_MAX]
    send_mail(
        session=session,
        actor=actor or Actor.system("notice"),
        at=at,
        job_id=new_id(),
        to=to or reader.email,
        letter=kind,
        language=reader.language,
        values=values,
    )
