"""Seal what was committed: batch by batch into a chain of hashes, off the way of the acts, with signed checkpoints.

Works as the owner of the schemas: the application's own roles may read seals and never write them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.audit.offline import GENESIS, checkpoint_message, leaf_of, root_of, seal_hash
from webapp.audit.rules import MISSING_LEAF, PLATFORM, Event, event_line, event_words, written
from webapp.audit.signing import Signer
from webapp.kernel.db import TenantRef

BATCH_EVENTS = 1000
CHECKPOINT_SEALS = 10
"""A run signs at its end, and on the way after so many seals (at most 10,000 events)."""
CHAINS_AT_ONCE = 100
SEALER_LOCK = 7_306_002
"""First key of the advisory lock of a chain's only sealer; the second is the hash of the chain's name."""
EXPORT_LOCK = 7_306_003
"""The same of those who export a chain, who share it, and of who removes what is too old, who waits for them."""
COLUMNS = ", ".join(Event.__dataclass_fields__)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chain:
    """One trail: its name in seals, and the schema in which it lies."""

    name: str
    schema: str

    @classmethod
    def of(cls, tenant_id: UUID | None) -> "Chain":
        """Return the chain of a workspace, or of the installation."""
        return cls(PLATFORM, PLATFORM) if tenant_id is None else cls(str(tenant_id), TenantRef(tenant_id).schema)

    @property
    def tenant(self) -> TenantRef | None:
        """Return the workspace that it is of."""
        return None if self.name == PLATFORM else TenantRef(UUID(self.name))


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends now."""

    number: int
    hash: bytes
    total: int


def enter(session: Session, chain: Chain) -> None:
    """Turn the owner's transaction to the schema of a chain."""
    session.execute(text(f"SET LOCAL search_path = {chain.schema}, pg_catalog, pg_temp"))
    session.info["tenant"] = chain.tenant


def chains(*, session: Session, after: str = "", limit: int = CHAINS_AT_ONCE) -> list[Chain]:
    """Return some workspaces' chains in the order of their ids, as the owner."""
    query = "SELECT id FROM platform.tenant WHERE id::text > :after ORDER BY id::text LIMIT :limit"
    return [Chain.of(row[0]) for row in session.execute(text(query), {"after": after, "limit": limit})]


def with_unsealed(*, session: Session, some: list[Chain]) -> list[Chain]:
    """Return those of some chains in which events wait, by one query.

    Raises ProgrammingError when one of the schemas has gone meanwhile.
    """
    if not some:
        return []
    query = " UNION ALL ".join(
        f"SELECT {number} WHERE EXISTS (SELECT FROM {chain.schema}.audit_unsealed)"  # noqa: S608 - names of our own
        for number, chain in enumerate(some)
    )
    return [some[row[0]] for row in session.execute(text(query))]


def head(*, session: Session) -> Head:
    """Return where the entered chain ends: at its last seal, or at the checkpoint before which all was removed."""
    query = """
        (SELECT number, hash, total FROM audit_seal ORDER BY number DESC LIMIT 1)
        UNION ALL (SELECT number, hash, total FROM audit_checkpoint ORDER BY number DESC LIMIT 1)
        ORDER BY number DESC LIMIT 1
    """
    row = session.execute(text(query)).first()
    return Head(0, bytes.fromhex(GENESIS), 0) if row is None else Head(row[0], bytes(row[1]), row[2])


def events_by_id(*, session: Session, ids: list[int]) -> dict[int, Event]:
    """Return events of the entered chain by their ids."""
    rows = session.execute(text(f"SELECT {COLUMNS} FROM audit_event WHERE id = ANY(:ids)"), {"ids": ids})  # noqa: S608
    return {row[0]: Event(*row) for row in rows}


def seal_batch(*, session: Session, chain: Chain, at: datetime) -> list[Event]:
    """Seal at most a thousand waiting events in one transaction of the owner, in the order of their ids.

    Returns what was sealed; nothing when nothing waits, or when another sealer is at this chain.
    """
    enter(session, chain)
    locked = session.scalar(
        text("SELECT pg_try_advisory_xact_lock(:lock, hashtext(:name))"), {"lock": SEALER_LOCK, "name": chain.name}
    )
    if not locked:
        return []
    waiting = "SELECT event_id FROM audit_unsealed ORDER BY event_id LIMIT :limit"
    ids = list(session.scalars(text(waiting), {"limit": BATCH_EVENTS}))
    if not ids:
        return []
    found = events_by_id(session=session, ids=ids)
    leaves = [leaf_of(event_line(found[one])) if one in found else MISSING_LEAF for one in ids]
    last = head(session=session)
    root = root_of(zip(ids, leaves, strict=True))
    said = {
        "at": written(at),
        "chain": chain.name,
        "count": len(ids),
        "number": last.number + 1,
        "previous": last.hash.hex(),
        "root": root.hex(),
        "total": last.total + len(ids),
    }
    session.execute(
        text(
            "INSERT INTO audit_seal (number, at, previous, root, hash, count, total, event_ids, leaves, newest_at)"
            " VALUES (:number, :at, :previous, :root, :hash, :count, :total, :ids, :leaves, :newest_at)"
        ),
        said
        | {
            "at": at,
            "previous": last.hash,
            "root": root,
            "hash": seal_hash(said),
            "ids": ids,
            "leaves": b"".join(leaves),
            "newest_at": max((event.at for event in found.values()), default=at),
        },
    )
    _keep_words(session, found, last.number + 1)
    session.execute(text("DELETE FROM audit_unsealed WHERE event_id = ANY(:ids)"), {"ids": ids})
    return list(found.values())


def _keep_words(session: Session, found: dict[int, Event], number: int) -> None:
    insertion = """
        INSERT INTO audit_words (event_id, seal, words)
        SELECT id, :seal, array_to_tsvector(string_to_array(words, ' '))
        FROM unnest(CAST(:ids AS bigint[]), CAST(:words AS text[])) AS found (id, words)
        ON CONFLICT DO NOTHING
    """
    words = [" ".join(event_words(event)) for event in found.values()]
    session.execute(text(insertion), {"ids": list(found), "words": words, "seal": number})


def sign_checkpoint(*, session: Session, chain: Chain, signer: Signer, at: datetime) -> bool:
    """Sign the entered chain's last seal; return whether there was one without a signature."""
    enter(session, chain)
    last = head(session=session)
    known = session.scalar(text("SELECT max(number) FROM audit_checkpoint")) or 0
    if last.number <= known:
        return False
    said: dict[str, Any] = {
        "at": written(at),
        "chain": chain.name,
        "hash": last.hash.hex(),
        "key": signer.key_id,
        "number": last.number,
        "total": last.total,
    }
    signature = signer.sign(checkpoint_message(said))
    done = session.execute(
        text(
            "INSERT INTO audit_checkpoint (number, at, hash, total, key_id, signature)"
            " VALUES (:number, :at, :hash, :total, :key, :signature) ON CONFLICT DO NOTHING RETURNING number"
        ),
        said | {"at": at, "hash": last.hash, "signature": signature},
    ).first()
    if done is not None:
        # A witness outside of the database: who rewrites the tables has not rewritten the log.
        log.info("audit.checkpoint", **{name: said[name] for name in ("chain", "number", "total", "hash", "key")})
    return done is not None
