"""Verify a trail in the database, as the owner: every row against its seal, every seal against the one before."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from webapp.audit.offline import (
    GENESIS,
    checkpoint_message,
    leaf_of,
    root_of,
    seal_hash,
    verify_signature,
)
from webapp.audit.retention import ACTION
from webapp.audit.rules import MISSING_LEAF, PublicKey, event_line, written
from webapp.audit.seals import Chain, enter, events_by_id

SEALS_AT_ONCE = 50
FINDINGS_MAX = 1000
LEAF_BYTES = 32


@dataclass(slots=True)
class Verification:
    """What was found: nothing in `findings` means that every row is as it was sealed."""

    chain: str
    findings: list[str] = field(default_factory=list)
    events: int = 0
    unsealed: int = 0
    first_seal: int = 0
    last_seal: int = 0
    signed_seal: int = 0

    def find(self, said: str) -> None:
        """Note something that is not as it was sealed; the first thousand are kept."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(said)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Session]:
    """Open a transaction of the owner that sees the trail as it is at one moment, however long it takes."""
    with Session(engine) as session:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        yield session


def verify(*, session: Session, chain: Chain, keys: list[PublicKey]) -> Verification:
    """Verify one trail in a snapshot of the owner; `keys` are those that are trusted."""
    enter(session, chain)
    found = Verification(chain.name)
    before = _begin_of_chain(session, found)
    after = 0
    while True:
        query = "SELECT * FROM audit_seal WHERE number > :after ORDER BY number LIMIT :limit"
        rows = session.execute(text(query), {"after": after, "limit": SEALS_AT_ONCE}).mappings().all()
        if not rows:
            break
        for row in rows:
            before = _verify_seal(session, found, dict(row), before)
        after = rows[-1]["number"]
    _verify_strangers(session, found)
    _verify_checkpoints(session, found, {key.id: key.public_key for key in keys}, before)
    return found


def _begin_of_chain(session: Session, found: Verification) -> tuple[int, str]:
    """Return the number and the hash on which the first seal must follow."""
    first = session.scalar(text("SELECT min(number) FROM audit_seal"))
    if first is None or first == 1:
        return 0, GENESIS
    row = session.execute(
        text("SELECT hash FROM audit_checkpoint WHERE number = :number"), {"number": first - 1}
    ).first()
    query = """
        SELECT (difference->'seal'->>1)::bigint FROM audit_event WHERE action = :action ORDER BY id DESC LIMIT 1
    """
    cleared = session.scalar(text(query), {"action": ACTION})
    if row is None or cleared != first - 1:
        found.find(f"seals 1 to {first - 1} were removed: no event says that their time was over")
    return first - 1, GENESIS if row is None else bytes(row[0]).hex()


def _verify_seal(
    session: Session, found: Verification, row: dict[str, Any], before: tuple[int, str]
) -> tuple[int, str]:
    number, name = row["number"], f"seal {row['number']}"
    said = {
        "at": written(row["at"]),
        "chain": found.chain,
        "count": row["count"],
        "number": number,
        "previous": bytes(row["previous"]).hex(),
        "root": bytes(row["root"]).hex(),
        "total": row["total"],
    }
    if number != before[0] + 1:
        found.find(f"seals {before[0] + 1} to {number - 1} were removed")
    elif said["previous"] != before[1]:
        found.find(f"{name} does not follow on the seal before it: one of the two was changed")
    stated = bytes(row["hash"])
    if seal_hash(said) != stated:
        found.find(f"{name} was changed: its hash is not that of what it says")
    leaves = bytes(row["leaves"])
    listed = [
        (event, leaves[place * LEAF_BYTES : (place + 1) * LEAF_BYTES]) for place, event in enumerate(row["event_ids"])
    ]
    if root_of(listed) != bytes(row["root"]):
        found.find(f"{name} was changed: its list of events is not the one that was sealed")
    _verify_events(session, found, listed, name)
    found.first_seal, found.last_seal = found.first_seal or number, number
    return number, stated.hex()


def _verify_events(session: Session, found: Verification, listed: list[tuple[int, bytes]], name: str) -> None:
    events = events_by_id(session=session, ids=[event for event, _leaf in listed])
    fresh = {event: leaf_of(event_line(row)) for event, row in events.items()}
    places = {leaf: event for event, leaf in listed}
    for event, leaf in listed:
        if leaf == MISSING_LEAF:
            found.find(f"event {event} was removed before it could be sealed")
        elif event not in fresh:
            found.find(f"event {event} was removed: {name} holds it")
        elif fresh[event] != leaf:
            was = places.get(_leaf_as(events[event], listed, leaf))
            found.find(
                f"event {event} was changed since {name}"
                if was is None
                else f"event {event} was moved: it is event {was} of {name}"
            )
        else:
            found.events += 1


def _leaf_as(event: Any, listed: list[tuple[int, bytes]], leaf: bytes) -> bytes:
    """Return the hash that a row would have under another number of the same seal, where that is a sealed one."""
    sealed = {one for _event, one in listed}
    for number, _leaf in listed:
        other = leaf_of(event_line(replace(event, id=number)))
        if other in sealed and other != leaf:
            return other
    return b""


def _verify_strangers(session: Session, found: Verification) -> None:
    """Find events that no seal holds and that do not wait for one, and those that two seals hold."""
    found.unsealed = session.scalar(text("SELECT count(*) FROM audit_unsealed")) or 0
    strange = """
        SELECT e.id FROM audit_event e
        LEFT JOIN (SELECT unnest(event_ids) AS id FROM audit_seal) AS s ON s.id = e.id
        LEFT JOIN audit_unsealed AS u ON u.event_id = e.id
        WHERE s.id IS NULL AND u.event_id IS NULL ORDER BY e.id LIMIT :limit
    """
    for event in session.scalars(text(strange), {"limit": FINDINGS_MAX}):
        found.find(f"event {event} was inserted: no seal holds it and it does not wait for one")
    twice = """
        SELECT id FROM (SELECT unnest(event_ids) AS id FROM audit_seal) AS s
        GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT :limit
    """
    for event in session.scalars(text(twice), {"limit": FINDINGS_MAX}):
        found.find(f"event {event} is held by two seals")


def _verify_checkpoints(session: Session, found: Verification, keys: dict[str, bytes], end: tuple[int, str]) -> None:
    """Check every checkpoint against its seal, and signatures from the newest back to the first that holds."""
    lost = """
        SELECT c.number FROM audit_checkpoint c LEFT JOIN audit_seal s USING (number)
        WHERE s.hash IS DISTINCT FROM c.hash AND c.number >= :first ORDER BY c.number LIMIT :limit
    """
    for number in session.scalars(text(lost), {"limit": FINDINGS_MAX, "first": max(found.first_seal, 1)}):
        found.find(f"the checkpoint at seal {number} does not fit that seal: the seal was changed or removed")
    query = "SELECT number, at, hash, total, key_id, signature FROM audit_checkpoint ORDER BY number DESC"
    for number, at, hashed, total, key_id, signature in session.execute(text(query)):
        said = {
            "at": written(at),
            "chain": found.chain,
            "hash": bytes(hashed).hex(),
            "key": key_id,
            "number": number,
            "total": total,
        }
        if verify_signature(keys.get(key_id, b""), checkpoint_message(said), bytes(signature)):
            found.signed_seal = number
            break
        found.find(f"the checkpoint at seal {number} is not signed by a key of this installation")
    if found.last_seal and not found.signed_seal:
        found.find(f"seals {found.first_seal} to {end[0]} are covered by no valid signature")
