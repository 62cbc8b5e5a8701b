"""Read the trail of the bound tenant, or of the platform when none is bound: newest first, always bounded.

A search for words glances at the newest events first, then looks them up (docs/decisions/0007).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.audit.rules import Event, PublicKey, via_word, words_of

COLUMNS = ", ".join(f"e.{name}" for name in Event.__dataclass_fields__)
FRESH_MAX = 2000
"""So many events that wait for a seal are looked through word by word; those that are sealed are found by an index."""

GLANCE_MAX = 5000
"""So many of the newest sealed events are glanced at before a word is looked up in its index."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; empty means any. Times are UTC, `end` is excluded.

    `words` must all begin a word of the event; `actor` is the label of a machine or of the system, in any case of its
    letters; people are sought by `actor_id`.
    """

    words: str = ""
    actor: str = ""
    actor_id: str = ""
    action: str = ""
    object_type: str = ""
    object_id: str = ""
    via: str = ""
    through_id: str = ""
    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether every event is meant."""
        return self == Search()


@dataclass(frozen=True, slots=True)
class Sealed:
    """How far a trail is sealed and signed."""

    events: int
    seal: int
    at: datetime
    key_id: str
    hash: str


def sources(search: Search, also: str = "") -> tuple[list[str], dict[str, object]]:
    """Return where a search finds events, as SQL from FROM on with `audit_event e`, and its values.

    Every part has an index. Words are looked for among sealed events first, then among those that wait for a seal;
    `also` is one more condition.
    """
    parts, values = [also] if also else [], {}
    for name in ("action", "object_type", "object_id", "through_id", "via"):
        if said := getattr(search, name):
            parts.append(f"e.{name} = :{name}")
            values[name] = said
    if search.actor:
        parts.append("lower(e.actor_label) = :actor")
        values["actor"] = search.actor.lower()
    if search.actor_id:
        parts.append("e.actor_id = CAST(:actor_id AS uuid)")
        values["actor_id"] = search.actor_id
    for name, sign in (("start", ">="), ("end", "<")):
        if (instant := getattr(search, name)) is not None:
            parts.append(f"e.at {sign} :{name}")
            values[name] = instant
    where = " AND ".join(parts) or "true"
    # A label has no index of its own: its words lead there.
    wanted = words_of(search.words, search.actor)
    if search.words and not words_of(search.words):
        return ["FROM audit_event e WHERE false"], {}
    if not (wanted or search.via):
        return [f"FROM audit_event e WHERE {where}"], values
    starts = [f"'{word}':*" for word in wanted] + ([f"'{via_word(search.via)}'"] if search.via else [])
    values |= {"query": " & ".join(starts), "patterns": [f"%{word}%" for word in wanted], "fresh": FRESH_MAX}
    return [f"{_BY_WORDS} AND {where}", f"{_FRESH} AND {where}"], values


# OFFSET 0 keeps the words' own index in use: to walk back from the newest event would be slow for a rare word.
_BY_WORDS = """
    FROM (SELECT event_id FROM audit_words WHERE words @@ CAST(:query AS tsquery) OFFSET 0) AS w
    JOIN audit_event e ON e.id = w.event_id WHERE true
"""
# The newest of those that are sealed: a word that every event holds fills a page from them at once.
_GLANCE = """
    FROM (SELECT event_id, words FROM audit_words WHERE event_id < coalesce(:before_id, 9223372036854775807)
        ORDER BY event_id DESC LIMIT :glance) AS w
    JOIN audit_event e ON e.id = w.event_id WHERE w.words @@ CAST(:query AS tsquery)
"""
_FRESH = """
    FROM (SELECT event_id FROM audit_unsealed ORDER BY event_id DESC LIMIT :fresh) AS u
    JOIN audit_event e ON e.id = u.event_id
    WHERE lower(concat_ws(' ', e.actor_label, e.action, e.object_type, e.object_id, e.source_address, e.request_id,
        e.through_id, e.decision_id, e.difference)) LIKE ALL (CAST(:patterns AS text[]))
"""


def event(*, session: Session, event_id: int) -> Event | None:
    """Return one event."""
    query = text(f"SELECT {COLUMNS} FROM audit_event e WHERE e.id = :id")  # noqa: S608 - names of our own
    row = session.execute(query, {"id": event_id}).first()
    return None if row is None else Event(*row)


def events(
    *,
    session: Session,
    limit: int,
    search: Search | None = None,
    before_id: int | None = None,
    ids: list[int] | None = None,
) -> list[Event]:
    """Return at most `limit` events that a search finds, newest first, older than `before_id`, and of `ids` alone."""
    also = (["e.id < :before_id"] if before_id is not None else []) + (["e.id = ANY(:ids)"] if ids is not None else [])
    found, values = sources(search or Search(), " AND ".join(also))
    values |= {"before_id": before_id, "ids": ids, "limit": limit}
    selects = [f"SELECT {COLUMNS} {source} ORDER BY e.id DESC LIMIT :limit" for source in found]
    query = selects[0]
    if len(selects) > 1:
        glanced = selects[0].replace(_BY_WORDS, _GLANCE)
        newest = [Event(*row) for row in session.execute(text(glanced), values | {"glance": GLANCE_MAX})]
        if len(newest) == limit:
            newest += [Event(*row) for row in session.execute(text(selects[1]), values)]
            return sorted(newest, key=lambda event: event.id, reverse=True)[:limit]
        query = f"SELECT * FROM (({') UNION ALL ('.join(selects)})) AS found ORDER BY id DESC LIMIT :limit"  # noqa: S608
    return [Event(*row) for row in session.execute(text(query), values)]


def sealed(*, session: Session) -> Sealed | None:
    """Return the newest checkpoint."""
    query = "SELECT total, number, at, key_id, hash FROM audit_checkpoint ORDER BY number DESC LIMIT 1"
    row = session.execute(text(query)).first()
    return None if row is None else Sealed(row[0], row[1], row[2], row[3], bytes(row[4]).hex())


def waiting(*, session: Session) -> int:
    """Return how many events wait for their seal (at most 10,000)."""
    query = "SELECT count(*) FROM (SELECT FROM audit_unsealed LIMIT 10000) AS u"
    return session.scalar(text(query)) or 0


def oldest_waiting(*, session: Session) -> datetime | None:
    """Return when the event happened that has waited longest for its seal."""
    query = "SELECT at FROM audit_event WHERE id = (SELECT min(event_id) FROM audit_unsealed)"
    return session.scalar(text(query))


def key(*, session: Session, key_id: str) -> PublicKey | None:
    """Return the public half of one key; on a transaction bound to the platform."""
    query = "SELECT id, public_key, created_at, retired_at FROM audit_key WHERE id = :id"
    row = session.execute(text(query), {"id": key_id}).first()
    return None if row is None else PublicKey(row[0], bytes(row[1]), row[2], row[3])


def public_keys(*, session: Session) -> list[PublicKey]:
    """Return the public halves of every key, oldest first; readable by the platform's role."""
    rows = session.execute(
        text("SELECT id, public_key, created_at, retired_at FROM platform.audit_key ORDER BY created_at LIMIT 100")
    )
    return [PublicKey(row[0], bytes(row[1]), *row[2:]) for row in rows]
