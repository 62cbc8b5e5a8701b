"""Where backups lie, and the whole act of taking one: the note before, the file, the note behind."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import Engine

from webapp.backups import commands, queries
from webapp.backups.envelope import recipients
from webapp.backups.rules import file_name
from webapp.backups.taking import Beat, Taken, take
from webapp.kernel.actor import Actor
from webapp.kernel.clock import Clock
from webapp.kernel.db import Database
from webapp.kernel.errors import N_, NotFound
from webapp.settings import Settings

log = structlog.get_logger()


def folder(settings: Settings) -> Path:
    """Return the folder of the backups."""
    return Path(settings.backup_dir or Path(settings.data_dir) / "backups")


def take_down(
    *,
    settings: Settings,
    engine: Engine,
    database: Database,
    actor: Actor,
    clock: Clock,
    backup_id: UUID,
    tenant_id: UUID,
    slug: str,
    kind: str,
    to: Path | None = None,
    closed_for: list[str] | None = None,
    for_move: bool = False,
    beat: Beat = lambda _done, _total: None,
) -> Taken:
    """Take a backup, note it and write it down; a failure is noted too.

    Raises NotFound, NoRecipient, BadKey, OSError.
    """
    at = clock()
    path = (to or folder(settings)) / file_name(slug, at)
    keys = closed_for or recipients(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with database.platform() as session:
        commands.begin(
            session=session,
            actor=actor,
            at=at,
            backup_id=backup_id,
            tenant_id=tenant_id,
            slug=slug,
            kind=kind,
            file_name=str(path.absolute()),
        )
    try:
        taken = take(
            engine=engine,
            database=database,
            tenant_id=tenant_id,
            at=at,
            path=path,
            recipients=keys,
            for_move=for_move,
            beat=beat,
        )
    except NotFound:
        with database.platform() as session:
            commands.forget(session=session, backup_id=backup_id)
        raise
    except Exception as error:
        with database.platform() as session:
            commands.fail(session=session, at=clock(), backup_id=backup_id, error=_reason(error))
        raise
    with database.platform() as session:
        is_noted = commands.finish(
            session=session,
            actor=actor,
            at=clock(),
            backup_id=backup_id,
            tenant_id=tenant_id,
            size_bytes=taken.size_bytes,
            seconds=taken.seconds,
            rows_count=taken.manifest.rows,
            digest=taken.manifest.digest,
            manifest=taken.manifest.sha256,
        )
    if not is_noted:
        path.unlink(missing_ok=True)
        raise NotFound(N_("There is no such workspace."))
    return taken


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def sweep(*, database: Database, before: datetime, at: datetime) -> int:
    """Delete files whose time is over, never the newest of a workspace, and return how many there were."""
    with database.platform() as session:
        old = queries.over(session=session, before=before)
    for one in old:
        try:
            if one.file_name:
                Path(one.file_name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("backup.not_deleted", file=one.file_name, reason=error.strerror)
            continue
        with database.platform() as session:
            commands.note_deleted(session=session, at=at, backup_id=one.id)
    return len(old)
