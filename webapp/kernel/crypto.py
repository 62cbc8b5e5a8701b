"""Fields at rest: sealed by AES-256-GCM under a data key of their workspace, found again by a keyed blind index.

A sealed value is: version (1 byte), id of its data key (4 bytes, big-endian), nonce (12 bytes), ciphertext, tag (16).
Its context ("account.iban/tenant/<id>") is authenticated: a value that is moved to another column, another workspace
or another person does not open. Data keys lie in the database, wrapped by a master key that does not.
"""

import hmac
import os
import re
import struct
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.kernel.data_keys import PURPOSES, DataKeys, Wrapped, about
from webapp.kernel.db import Database, app_url, bound_tenant
from webapp.kernel.masters import KEY_BYTES, NONCE_BYTES, MasterKeysError, MasterSource
from webapp.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
_HEAD = struct.Struct(">BI")
_BODY = _HEAD.size + NONCE_BYTES
OVERHEAD_BYTES = _BODY + 16
"""So much longer than the plain value is a sealed one."""
REFRESH_SECONDS = 30.0
"""After so long a process asks again which data key is the current one; a rotation waits longer than that."""
_CONTEXT = re.compile(r"[a-z_0-9]+\.[a-z_0-9]+/(?:platform|person/[^/]+|tenant/(?P<tenant>[0-9a-f-]{36}))(?:/.*)?")


class Unopenable(ValueError):
    """A sealed value that does not open: changed, moved, of a retired key or of another installation."""


def of_tenant(column: str, tenant_id: UUID) -> str:
    """Return the context of a workspace's field; `column` is "table.column"."""
    return f"{column}/tenant/{tenant_id}"


def of_person(column: str, person_id: UUID) -> str:
    """Return the context of a person's field, which is sealed by the platform's data key."""
    return f"{column}/person/{person_id}"


def of_platform(column: str) -> str:
    """Return the context of a field of the installation itself."""
    return f"{column}/platform"


def sealed_by(sealed: bytes) -> int:
    """Return the id of the data key that sealed a value.

    Raises Unopenable.
    """
    if len(sealed) < OVERHEAD_BYTES or sealed[0] != VERSION:
        raise Unopenable("not a sealed value of a version that is known")
    return int(_HEAD.unpack_from(sealed)[1])


@dataclass(slots=True)
class OpenKeys:
    """The open data keys of one workspace or of the platform, by id, oldest first."""

    read_at: float = 0.0
    seal: "dict[int, AESGCM]" = field(default_factory=dict, repr=False)
    blind: dict[int, bytes] = field(default_factory=dict, repr=False)

    def keep(self, key_id: int, purpose: str, key: bytes) -> None:
        """Take one more key, newer than those that are there."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 costs a start time

        if purpose == "seal":
            self.seal[key_id] = AESGCM(key)
        else:
            self.blind[key_id] = key

    def seal_value(self, plain: bytes, *, context: str) -> bytes:
        """Seal a value under the newest key."""
        key_id = next(reversed(self.seal))
        head, nonce = _HEAD.pack(VERSION, key_id), os.urandom(NONCE_BYTES)
        sealed: bytes = self.seal[key_id].encrypt(nonce, plain, head + context.encode())
        return head + nonce + sealed

    def open_value(self, sealed: bytes, *, context: str) -> bytes:
        """Open a sealed value, whichever of the keys sealed it; raises Unopenable."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 costs a start time

        key_id = sealed_by(sealed)
        key = self.seal.get(key_id)
        if key is None:
            raise Unopenable(f"data key {key_id} is not one of {context}, or is retired")
        head, nonce, body = sealed[: _HEAD.size], sealed[_HEAD.size : _BODY], sealed[_BODY:]
        try:
            plain: bytes = key.decrypt(nonce, body, head + context.encode())
        except InvalidTag:
            raise Unopenable(f"the value does not belong to {context}, or was changed") from None
        return plain

    def marks(self, text: str, *, context: str) -> tuple[bytes, ...]:
        """Return the marks of a text under every key, the newest last."""
        said = "".join(unicodedata.normalize("NFKC", text).casefold().split())
        message = f"{context}\0{said}".encode()
        return tuple(hmac.new(key, message, sha256).digest() for key in self.blind.values())


def new_ring(settings: Settings) -> "KeyRing":
    """Return a ring for a process with these settings."""
    return KeyRing(
        MasterSource(settings.master_keys, settings.master_keys_file),
        DataKeys(app_url(settings.database_url, settings.secret_key)),
    )


def ring_of(place: Database | Session) -> "KeyRing":
    """Return the ring of a database, or of the one that a transaction is of.

    Raises MasterKeysError when the process was started without master keys.
    """
    database: Database = place.info["database"] if isinstance(place, Session) else place
    if not isinstance(database.keys, KeyRing):
        raise MasterKeysError("this process has no master keys, so it can neither seal nor open")
    return database.keys


def of_bound_tenant(column: str, session: Session) -> str:
    """Return the context of a field of the workspace that the transaction is bound to."""
    return of_tenant(column, bound_tenant(session).id)


class KeyRing:
    """Seals, opens and blinds. One for a process; safe for threads.

    What it has read stays in memory: nothing is lost with Valkey or a restart, and the database is asked once a scope.
    """

    def __init__(
        self, masters: MasterSource, data_keys: DataKeys, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.masters = masters
        self._data_keys = data_keys
        self._monotonic = monotonic
        self._scopes: dict[UUID | None, OpenKeys] = {}
        self._lock = threading.Lock()

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Seal a value under the current data key of its context.

        Raises OperationalError when the key must be read and the database is away.
        """
        return self._scope(context, fresh=True).seal_value(plain, context=context)

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Open a sealed value, whichever live key sealed it.

        Raises Unopenable, and OperationalError when the key must be read and the database is away.
        """
        return self._scope(context, knowing=sealed_by(sealed)).open_value(sealed, context=context)

    def blind(self, text: str, *, context: str) -> bytes:
        """Return the mark by which an equal text is found (HMAC-SHA-256); case, width and spaces make no difference."""
        return self.blinds(text, context=context)[-1]

    def blinds(self, text: str, *, context: str, anew: bool = False) -> tuple[bytes, ...]:
        """Return the marks of a text under every live key, the current one last: what a search must look for.

        With `anew` the keys are read from the database first, for who must not miss a mark that another process made.
        """
        return self._scope(context, fresh=True, anew=anew).marks(text, context=context)

    def current(self, tenant_id: UUID | None) -> int:
        """Return the id of the data key that seals for a workspace (None: the platform), read anew."""
        return next(reversed(self._read(tenant_id).seal))

    def keys_of(self, tenant_id: UUID | None) -> OpenKeys:
        """Return the open live keys of a workspace (None: the platform), read anew."""
        return self._read(tenant_id)

    def wrapped_key(self, tenant_id: UUID | None, purpose: str) -> Wrapped:
        """Make a new data key, wrapped by the current master key and not kept yet."""
        master, wrapped = self.masters.read_again().wrap(os.urandom(KEY_BYTES), about=about(tenant_id, purpose))
        return Wrapped(0, tenant_id, purpose, master, wrapped)

    def rewrapped(self, key: Wrapped) -> Wrapped:
        """Return a data key as the current master key wraps it."""
        known = about(key.tenant_id, key.purpose)
        master, wrapped = self.masters.all().wrap(self.unwrap(key), about=known)
        return Wrapped(key.id, key.tenant_id, key.purpose, master, wrapped)

    def forget(self) -> None:
        """Forget every open data key, as a restart does."""
        with self._lock:
            self._scopes.clear()

    def _scope(self, context: str, *, fresh: bool = False, anew: bool = False, knowing: int | None = None) -> OpenKeys:
        match = _CONTEXT.fullmatch(context)
        if match is None:
            raise ValueError(f"{context!r} is no context: use of_tenant, of_person or of_platform")
        tenant_id = UUID(match["tenant"]) if match["tenant"] else None
        scope = self._scopes.get(tenant_id)
        if (
            scope is None
            or anew
            or (fresh and self._monotonic() - scope.read_at > REFRESH_SECONDS)
            or (knowing is not None and knowing not in scope.seal)
        ):
            scope = self._read(tenant_id)
        return scope

    def _read(self, tenant_id: UUID | None) -> OpenKeys:
        read_at = self._monotonic()
        kept = self._data_keys.read(tenant_id)
        if {one.purpose for one in kept} != set(PURPOSES):
            kept = self._data_keys.add([self.wrapped_key(tenant_id, purpose) for purpose in PURPOSES])
        scope = OpenKeys(read_at)
        for one in kept:
            scope.keep(one.id, one.purpose, self.unwrap(one))
        with self._lock:
            self._scopes[tenant_id] = scope
        return scope

    def unwrap(self, key: Wrapped) -> bytes:
        """Return a data key itself, of a backup for instance; it must not outlive the act.

        Raises Unopenable.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 costs a start time

        masters = self.masters.knowing(key.master_id)
        try:
            return masters.unwrap(key.master_id, key.wrapped, about=about(key.tenant_id, key.purpose))
        except KeyError:
            raise Unopenable(f"the master key {key.master_id} is not among COMPTOIR_MASTER_KEYS") from None
        except InvalidTag:
            raise Unopenable(f"the master key {key.master_id} is not the one that wrapped data key {key.id}") from None
