"""Receiving a statement's file: it is kept in pieces, and the work on it begins."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.rules import Kind
from tenants.money.imports import sealing
from tenants.money.imports.commands import start
from tenants.money.imports.models import Import
from tenants.money.imports.refusals import FileTooLarge
from tenants.money.imports.rules import FILE_NAME_MAX, State
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, FieldError, Invalid

CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """What a person says of a file that they upload."""

    account_id: int
    file_name: str
    requested_format: str | None = None
    publish_auto: bool = False


def receive(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    new_id: Callable[[], UUID],
    upload: Upload,
    content: Iterable[bytes],
    bytes_max: int,
) -> int:
    """Keep an uploaded file and start the work on it; return the import's id.

    Raises Invalid (account_id, file), FileTooLarge.
    """
    account = account_queries.account(session=session, account_id=upload.account_id)
    if account is None or account.kind not in {Kind.ASSET, Kind.LIABILITY}:
        unknown = N_("Choose the account that the statement is of: an asset or a liability of this workspace.")
        raise Invalid(errors=(FieldError("account_id", "unknown", unknown),))
    name = "".join(c for c in upload.file_name if c.isprintable())[-FILE_NAME_MAX:].strip() or "statement"
    job_id = new_id()
    sealing.make_secret(session=session)
    import_id = session.execute(
        insert(Import)
        .values(
            account_id=account.id,
            state=State.RECEIVED.value,
            file_name=name,
            size_bytes=0,
            sha256=b"",
            requested_format=upload.requested_format or None,
            publish_auto=upload.publish_auto,
            job_id=job_id,
            created_at=at,
            created_by=actor.person_id,
            changed_at=at,
        )
        .returning(Import.id)
    ).scalar_one()
    size, digest = _keep_content(session, import_id, content, bytes_max)
    session.execute(update(Import).where(Import.id == import_id).values(size_bytes=size, sha256=digest))
    start(session, actor, at, job_id, "imports.check", import_id)
    record(
        session=session,
        actor=actor,
        at=at,
        action="import.received",
        object_type="import",
        object_id=import_id,
        difference={
            "file_name": (None, name),
            "size_bytes": (None, size),
            "account_id": (None, account.id),
            "sha256": (None, digest.hex()),
        },
    )
    return import_id


def pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield a file's content in pieces of a megabyte."""
    while chunk := read(CHUNK_BYTES):
        yield chunk


def _keep_content(session: Session, import_id: int, content: Iterable[bytes], bytes_max: int) -> tuple[int, bytes]:
    size, digest = 0, hashlib.sha256()
    for position, chunk in enumerate(content):
        size += len(chunk)
        if size > bytes_max:
            raise FileTooLarge(megabytes=bytes_max // CHUNK_BYTES)
        digest.update(chunk)
        sealing.keep_chunk(session=session, import_id=import_id, position=position, content=chunk)
    if size == 0:
        raise Invalid(errors=(FieldError("file", "empty_file", N_("The file is empty.")),))
    return size, digest.digest()
