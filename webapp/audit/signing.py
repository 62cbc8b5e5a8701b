"""The keys that sign checkpoints: Ed25519, made here, kept sealed; whoever reads the database alone cannot sign."""

import os
from datetime import datetime
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.audit.offline import key_id_of
from webapp.audit.rules import PublicKey
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import Unopenable, of_platform

ACTOR = Actor.system("sealer")
CONTEXT = of_platform("audit_key.sealed")
PRIVATE_KEY_BYTES = 32


class Vault(Protocol):
    """What seals and opens a private key; the installation's key ring is one."""

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Seal."""

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Open; raises Unopenable."""


class Signer:
    """Signs with one private key."""

    def __init__(self, private: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 the same

        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self.public_key = self._private.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """Sign a message (64 bytes)."""
        return self._private.sign(message)


def open_signer(*, session: Session, vault: Vault, at: datetime) -> Signer:
    """Return the signer of the newest key, as the owner; where none opens, a new key is made."""
    session.execute(text("LOCK TABLE platform.audit_key IN SHARE ROW EXCLUSIVE MODE"))
    query = "SELECT sealed FROM platform.audit_key WHERE retired_at IS NULL ORDER BY created_at DESC LIMIT 1"
    sealed = session.scalar(text(query))
    if sealed is not None:
        try:
            return Signer(vault.open(bytes(sealed), context=CONTEXT))
        except Unopenable:
            session.execute(text("UPDATE platform.audit_key SET retired_at = :at WHERE retired_at IS NULL"), {"at": at})
    return _make(session, vault, at)


def rotate(*, session: Session, vault: Vault, at: datetime) -> Signer:
    """Retire the present key and make a new one; what the old one signed stays valid."""
    session.execute(text("UPDATE platform.audit_key SET retired_at = :at WHERE retired_at IS NULL"), {"at": at})
    return _make(session, vault, at)


def _make(session: Session, vault: Vault, at: datetime) -> Signer:
    new_private = os.urandom(PRIVATE_KEY_BYTES)
    signer = Signer(new_private)
    session.execute(
        text(
            "INSERT INTO platform.audit_key (id, public_key, sealed, created_at)"
            " VALUES (:id, :public_key, :sealed, :at)"
        ),
        {
            "id": signer.key_id,
            "public_key": signer.public_key,
            "sealed": vault.seal(new_private, context=CONTEXT),
            "at": at,
        },
    )
    record(
        session=session,
        actor=ACTOR,
        at=at,
        action="audit_key.made",
        object_type="audit_key",
        object_id=signer.key_id,
        difference={"public_key": (None, signer.public_key.hex())},
    )
    return signer


def vouched_keys(*, session: Session, vault: Vault) -> list[PublicKey]:
    """Return the public halves, as the owner, and which of them this installation's own secret vouches for."""
    rows = session.execute(
        text(
            "SELECT id, public_key, created_at, retired_at, sealed FROM platform.audit_key"
            " ORDER BY created_at LIMIT 100"
        )
    )
    return [PublicKey(row[0], bytes(row[1]), row[2], row[3], _vouches(vault, *row[:2], row[4])) for row in rows]


def _vouches(vault: Vault, key_id: str, public_key: bytes, sealed: bytes) -> bool:
    try:
        signer = Signer(vault.open(bytes(sealed), context=CONTEXT))
    except Unopenable:
        return False
    return signer.public_key == bytes(public_key) and signer.key_id == key_id
