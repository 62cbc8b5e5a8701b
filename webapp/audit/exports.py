"""The trail as a file: JSON lines with the proof, in the format of docs/trail-format.md, or CSV for a spreadsheet."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.audit import queries
from webapp.audit.offline import FORMAT, canonical
from webapp.audit.queries import Search, sources
from webapp.audit.rules import Event, PublicKey, event_line, written
from webapp.audit.seals import EXPORT_LOCK, Chain, events_by_id
from webapp.kernel.errors import N_, DomainError

EVENTS_MAX = 100_000
"""Events of one download; the command line has no limit."""
SEALS_AT_ONCE = 20
ROWS_AT_ONCE = 1000
LEAF_BYTES = 32
_FORMULA = frozenset("=+-@\t\r\n\0＝＋－＠")


class TooManyEvents(DomainError):
    """A download holds a limited number of events."""

    code = "export_too_large"
    status = 422
    message = N_(
        "These are more than %(limit)s events, which is the most that one file holds. Choose a shorter time, or let an"
        " operator run: comptoir audit export."
    )


@dataclass(frozen=True, slots=True)
class Span:
    """What an export with proof spans: behind the seal `after`, up to the signed seal `upto`."""

    after: int
    upto: int
    events: int


def count(*, session: Session, search: Search, limit: int = EVENTS_MAX) -> int:
    """Return how many events a search finds.

    Raises TooManyEvents.
    """
    places, values = sources(search)
    found = 0
    for place in places:
        query = f"SELECT count(*) FROM (SELECT {place} LIMIT :limit) AS found"  # noqa: S608 - names of our own
        found += session.scalar(text(query), {**values, "limit": limit + 1}) or 0
    if found > limit:
        raise TooManyEvents(limit=limit)
    return found


def span(*, session: Session, search: Search, chain: Chain) -> Span:
    """Return what to export so that each event found lies between two signatures; nothing is removed meanwhile."""
    lock = "SELECT pg_advisory_xact_lock_shared(:lock, hashtext(:name))"
    session.execute(text(lock), {"lock": EXPORT_LOCK, "name": chain.name})
    places, values = sources(search)
    query = f"""
        WITH found AS (
            SELECT min(p.seal) AS first, max(p.seal) AS last, count(*) AS events
            FROM (SELECT e.id {places[0]}) AS f JOIN audit_words p ON p.event_id = f.id
            WHERE p.seal <= (SELECT max(number) FROM audit_checkpoint)
        )
        SELECT coalesce((SELECT max(number) FROM audit_checkpoint WHERE number < found.first), 0),
            coalesce((SELECT min(number) FROM audit_checkpoint WHERE number >= found.last), 0), events
        FROM found
    """  # noqa: S608 - names of our own
    row = session.execute(text(query), values).one()
    return Span(*row)


def proof_lines(
    *,
    session: Session,
    chain: Chain,
    name: str,
    search: Search,
    keys: list[PublicKey],
    at: datetime,
    names_of: Callable[[list[Event]], dict[str, str]],
) -> Iterator[bytes]:
    """Yield an export with its proof, line by line; `name` is the workspace's short name.

    Events name people by their ids; what `names_of` says that they are called is told at the end, beside the proof.
    Seals within the span are whole; of events that the search leaves out only the hashes are told.
    """
    asked = {key: written(value) if isinstance(value, datetime) else value for key, value in asdict(search).items()}
    reach = span(session=session, search=search, chain=chain)
    yield _line(
        {
            "type": "trail",
            "format": FORMAT,
            "chain": chain.name,
            "workspace": name,
            "exported_at": written(at),
            "filter": {key: value for key, value in asked.items() if value},
            "keys": {key.id: key.public_key.hex() for key in keys},
        }
    )
    checkpoints = _checkpoints(session, chain, reach)
    if anchor := checkpoints.pop(reach.after, None):
        yield _line(anchor)
    shown, people = 0, {}
    for row in _seals(session, reach):
        matching = _matching(session, search, row["event_ids"])
        shown += len(matching)
        people |= names_of(list(matching.values()))
        for event in row["event_ids"]:
            if event in matching:
                yield event_line(matching[event]) + b"\n"
        yield _line(_seal(chain, row, set(matching), _withheld(session, search, row["event_ids"], matching)))
        if checkpoint := checkpoints.pop(row["number"], None):
            yield _line(checkpoint)
    yield _line({"type": "end", "events": shown, "people": people})


def _line(value: dict[str, Any]) -> bytes:
    return canonical(value) + b"\n"


def _checkpoints(session: Session, chain: Chain, reach: Span) -> dict[int, dict[str, Any]]:
    """Return the signatures that a reader needs: before the first seal and at the last, and a hundred between."""
    query = """
        SELECT number, at, hash, total, key_id, signature FROM audit_checkpoint
        WHERE number IN (:after, :upto) OR number IN (
            SELECT number FROM audit_checkpoint WHERE number > :after AND number < :upto
            ORDER BY number DESC LIMIT 100
        )
    """
    rows = session.execute(text(query), {"after": reach.after, "upto": reach.upto})
    return {
        row[0]: {
            "type": "checkpoint",
            "chain": chain.name,
            "number": row[0],
            "at": written(row[1]),
            "hash": bytes(row[2]).hex(),
            "total": row[3],
            "key": row[4],
            "signature": bytes(row[5]).hex(),
        }
        for row in rows
    }


def _seals(session: Session, reach: Span) -> Iterator[dict[str, Any]]:
    after = reach.after
    while after < reach.upto:
        query = "SELECT * FROM audit_seal WHERE number > :after AND number <= :upto ORDER BY number LIMIT :limit"
        rows = session.execute(text(query), {"after": after, "upto": reach.upto, "limit": SEALS_AT_ONCE})
        page = [dict(row) for row in rows.mappings()]
        if not page:
            return
        yield from page
        after = page[-1]["number"]


def _matching(session: Session, search: Search, ids: list[int]) -> dict[int, Event]:
    if search.is_empty:
        return events_by_id(session=session, ids=ids)
    return {event.id: event for event in queries.events(session=session, limit=len(ids), search=search, ids=ids)}


def _withheld(session: Session, search: Search, ids: list[int], matching: dict[int, Event]) -> set[int]:
    """Return the events that are there and left out; one that is gone was not withheld but removed."""
    if search.is_empty:
        return set()
    there = session.scalars(text("SELECT id FROM audit_event WHERE id = ANY(:ids)"), {"ids": ids})
    return set(there) - matching.keys()


def _seal(chain: Chain, row: dict[str, Any], shown: set[int], withheld: set[int]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "type": "seal",
        "chain": chain.name,
        "number": row["number"],
        "at": written(row["at"]),
        "previous": bytes(row["previous"]).hex(),
        "root": bytes(row["root"]).hex(),
        "hash": bytes(row["hash"]).hex(),
        "count": row["count"],
        "total": row["total"],
    }
    if shown or len(withheld) < row["count"]:
        leaves = bytes(row["leaves"])
        said["events"] = [
            [event, leaves[place * LEAF_BYTES : (place + 1) * LEAF_BYTES].hex()]
            for place, event in enumerate(row["event_ids"])
        ]
        said["withheld"] = sorted(withheld)
    return said


Named = Callable[[list[Event]], list[Event]]
"""Tells events with what people are called now."""


def csv_lines(*, session: Session, search: Search, named: Named) -> Iterator[bytes]:
    """Yield what a search finds as CSV (RFC 4180), oldest last; texts that a spreadsheet would run are marked.

    The first line begins with a byte order mark so that spreadsheets read UTF-8. Without proof.
    """
    yield b"\xef\xbb\xbf" + _row(Event.__dataclass_fields__)
    before: int | None = None
    while page := queries.events(session=session, limit=ROWS_AT_ONCE, search=search, before_id=before):
        for event in named(page):
            cells = {name: str(getattr(event, name)) for name in Event.__dataclass_fields__}
            cells |= {"at": written(event.at), "difference": json.dumps(event.difference, ensure_ascii=False)}
            yield _row(harmless(cell) for cell in cells.values())
        before = page[-1].id


def harmless(cell: str) -> str:
    """Return a text that stays text in a spreadsheet (OWASP, CSV injection): a formula gets a quote before it."""
    return f"'{cell}" if cell and (cell[0] in _FORMULA or cell.lstrip()[:1] in _FORMULA) else cell


def _row(cells: Any) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()
