"""What the file of an import is and how it is read: as a person said, as is remembered, or as was recognised."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from tenants.money.imports import remembered, staging
from tenants.money.imports.readers import recognise as recognition_door
from tenants.money.imports.readers.lines import StatementError
from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.readers.recognise import Recognition
from tenants.money.imports.rules import BLOCKING_DOUBTS


class FormatMismatch(StatementError):
    """The file is not of the format that the person named."""

    def __init__(self, found: str, wanted: str) -> None:
        self.code = "not_that_format"
        self.params = {"found": found, "wanted": wanted[:40]}
        Exception.__init__(self, self.code)


@dataclass(frozen=True, slots=True)
class Task:
    """What a check needs to know of its import."""

    id: int
    account_id: int
    currency: str
    size: int
    requested_format: str | None
    encoding: str | None
    chosen: Mapping | None


def recognise_content(session: Session, import_id: int, size: int, encoding: str | None) -> Recognition:
    """Recognise the stored file of an import. Raises Unreadable."""
    head = b""
    for chunk in staging.chunks(session=session, import_id=import_id):
        head = chunk[: recognition_door.HEAD_BYTES]
        break
    return recognition_door.recognise(
        head,
        size=size,
        encoding=encoding,
        whole=lambda: b"".join(staging.chunks(session=session, import_id=import_id)),
    )


def parted_anew(session: Session, import_id: int, encoding: str, delimiter: str) -> Mapping | None:
    """Propose how the stored table is read when its columns are parted otherwise; None if they are not.

    Raises Unreadable.
    """
    head = next(staging.chunks(session=session, import_id=import_id), b"")[: recognition_door.HEAD_BYTES]
    return recognition_door.parted(head, encoding, delimiter)


def check_format(recognition: Recognition, wanted: str | None) -> None:
    """See that a file is of the format that the person named, if they did. Raises FormatMismatch."""
    if wanted and wanted not in {recognition.kind, recognition.format, recognition.format.partition(".")[0]}:
        raise FormatMismatch(recognition.format, wanted)


def mapping_for(
    session: Session, at: datetime, task: Task, recognition: Recognition
) -> tuple[Mapping | None, Mapping | None, str]:
    """Return the mapping to read by (None: ask first), the one to show, and whose it is.

    It is the person's, one that is remembered, or the recognised one if that is clear; a person who is asked is shown
    how the same header is read for another account, if it is.
    """
    known: dict[str, Any] = {
        "session": session,
        "account_id": task.account_id,
        "recognition": recognition,
        "relay": partial(_elsewhere, session, task.id),
    }
    if task.chosen is not None:
        remembered.remember(at=at, mapping=task.chosen, **known)
        return task.chosen, task.chosen, "person"
    if (kept := remembered.recall(at=at, **known)) is not None:
        return kept, kept, "remembered"
    proposed = recognition.mapping
    if recognition.kind not in {"csv", "xlsx"}:
        return proposed, proposed, "recognised"
    if proposed is None or recognition.needs_mapping or BLOCKING_DOUBTS & set(proposed.doubts):
        return None, remembered.propose_from_others(**known) or proposed, "recognised"
    return proposed, proposed, "recognised"


def _elsewhere(session: Session, import_id: int, recognition: Recognition, layout: Mapping) -> Recognition:
    """Recognise the stored table again where a mapping says that it is. Raises Unreadable."""
    content = staging.chunks(session=session, import_id=import_id)
    head = b"".join(content) if recognition.kind == "xlsx" else next(content, b"")[: recognition_door.HEAD_BYTES]
    return recognition_door.relaid(head, recognition, layout)
