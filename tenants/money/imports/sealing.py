"""What a statement says, at rest: the file, the text of its rows, its labels and its balances name bank numbers.

The text of many rows is sealed as one value: a seal for each row would cost an import more than reading the row does.
"""

import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.orm import Session

from tenants.money.imports.models import ImportChunk, ImportSecret, ImportText
from webapp.kernel.crypto import of_bound_tenant, ring_of

BLOCK_ROWS = 250
"""Rows whose text is sealed as one value. Part of the stored form: block n begins at row 250 n + 1."""
SECRET_BYTES = 32
_PACKED_FAST = 1
_UNSHOWABLE = re.compile("[\0\ud800-\udfff]")


class Said(NamedTuple):
    """What the file said in one row; `params` of a row that could not be read say why, and what it holds.

    Its `ordinal` is how many such rows before it say the same.
    """

    raw: str
    params: dict[str, Any] | None


def keep_chunk(*, session: Session, import_id: int, position: int, content: bytes) -> None:
    """Keep a piece of an uploaded file."""
    context = _at("import_chunk.content", session, import_id, position)
    kept = ring_of(session).seal(content, context=context)
    session.execute(insert(ImportChunk), {"import_id": import_id, "position": position, "content_sealed": kept})


def chunk(*, session: Session, import_id: int, position: int) -> bytes | None:
    """Return a piece of an uploaded file, counted from 0; None behind the last."""
    query = select(ImportChunk.content_sealed)
    kept = session.scalar(query.where(ImportChunk.import_id == import_id, ImportChunk.position == position))
    if kept is None:
        return None
    return ring_of(session).open(bytes(kept), context=_at("import_chunk.content", session, import_id, position))


def texts(
    *, session: Session, import_id: int, first: int, raws: Sequence[str], params: dict[int, dict[str, Any]]
) -> list[tuple[int, int, bytes]]:
    """Return the rows of `import_text` for rows that begin at `first`, the first of a block; `params` by position."""
    ring, found = ring_of(session), []
    for start in range(0, len(raws), BLOCK_ROWS):
        position = first + start
        own = {str(at): params[at] for at in range(position, position + BLOCK_ROWS) if at in params} if params else {}
        content = json.dumps([raws[start : start + BLOCK_ROWS], own], ensure_ascii=False)
        packed = zlib.compress(content.encode("utf-8", "surrogatepass"), _PACKED_FAST)
        context = _at("import_text.content", session, import_id, position)
        found.append((import_id, position, ring.seal(packed, context=context)))
    return found


def said(*, session: Session, import_id: int, positions: Iterable[int]) -> Iterator[tuple[int, Said]]:
    """Yield what the file said in these rows, with their positions, in the order of the file; a block at a time."""
    wanted: dict[int, list[int]] = {}
    for position in sorted(positions):
        wanted.setdefault((position - 1) // BLOCK_ROWS * BLOCK_ROWS + 1, []).append(position)
    ring, query = ring_of(session), select(ImportText.content_sealed).where(ImportText.import_id == import_id)
    for first, own in wanted.items():
        kept = session.scalar(query.where(ImportText.position == first))
        if kept is None:
            continue
        packed = ring.open(bytes(kept), context=_at("import_text.content", session, import_id, first))
        raws, params = json.loads(zlib.decompress(packed).decode("utf-8", "surrogatepass"))
        for position in own:
            yield position, Said(shown(raws[position - first]), shown(params.get(str(position))))


def shown(value: Any) -> Any:
    """Return a JSON value with what no page can show made visible."""
    if isinstance(value, str):
        return _UNSHOWABLE.sub(lambda found: "\u2400" if found[0] == "\0" else "\ufffd", value)
    return {key: shown(one) for key, one in value.items()} if isinstance(value, dict) else value


def sealed_list(*, session: Session, import_id: int, column: str, values: list[Any]) -> bytes:
    """Seal a list of an import ("accounts", "balances")."""
    context = _at(f"import.{column}", session, import_id)
    return ring_of(session).seal(json.dumps(values, ensure_ascii=False).encode(errors="replace"), context=context)


def opened_list(*, session: Session, import_id: int, column: str, kept: bytes | None) -> list[dict[str, Any]]:
    """Open a list of an import; none was kept while there was nothing to say."""
    if kept is None:
        return []
    found: list[dict[str, Any]] = json.loads(
        ring_of(session).open(bytes(kept), context=_at(f"import.{column}", session, import_id))
    )
    return found


def make_secret(*, session: Session) -> None:
    """Make the workspace's secret in the identities of rows, if it has none."""
    if session.scalar(select(ImportSecret.one)) is None:
        context = of_bound_tenant("import_secret.secret", session)
        made = ring_of(session).seal(os.urandom(SECRET_BYTES), context=context)
        session.execute(insert_or(ImportSecret).values(secret_sealed=made).on_conflict_do_nothing())


def secret(*, session: Session) -> bytes:
    """Return the workspace's secret in the identities of rows."""
    kept = session.scalars(select(ImportSecret.secret_sealed)).one()
    return ring_of(session).open(bytes(kept), context=of_bound_tenant("import_secret.secret", session))


def _at(column: str, session: Session, *key: int) -> str:
    return "/".join((of_bound_tenant(column, session), *map(str, key)))
