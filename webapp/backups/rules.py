"""What a backup of one workspace is: its parts, what its manifest says, and what it can be refused for.

A file is one line in clear (format, length and SHA-256 of the rest) and an age file of a gzipped tar:
head.json, keys.json, platform.json, tables/<name>/<part>, manifest.json, manifest.sig. Data only, never SQL.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

from webapp.kernel.errors import N_, Conflict, DomainError

FORMAT = 1
"""Raised when an older Comptoir could no longer read a backup."""
SUFFIX = ".comptoir"
PART_BYTES = 4 * 1024 * 1024
"""So much of a table is held in memory at once."""
SMALL_BYTES_MAX = 64 * 1024 * 1024
"""The parts of a backup that are read whole: keys, people and roles, manifest."""
TABLES_MAX = 500
MONEY = frozenset({"amount", "balance", "captured", "credit", "debit", "held", "opening", "overdraft_limit"})
"""Columns in minor units, whose sums stand in the manifest."""
OUTSIDE = frozenset({"_tenant_marker"})
"""Tables of a workspace's schema that provisioning writes."""
TRAIL = "audit_"
"""How the names of the trail's tables begin: it has a proof of its own."""
_FIRST_LINE = re.compile(rb"comptoir-backup/(\d{1,6}) (\d{20}) ([0-9a-f]{64})\n", re.ASCII)
FIRST_LINE_BYTES = len(b"comptoir-backup/1 ") + 20 + 1 + 64 + 1


class BackupRefused(DomainError):
    """A file that is not restored; nothing was changed."""

    code = "backup_refused"


class NotABackup(BackupRefused):
    """The file is something else."""

    code = "not_a_backup"
    message = N_("This file is no backup of a workspace.")


class NewerBackup(BackupRefused):
    """A newer version made the backup."""

    code = "backup_newer"
    message = N_(
        "The backup was made by a newer version (%(made_by)s) that this one cannot read: use that version, or a later"
        " one."
    )


class TruncatedBackup(BackupRefused):
    """The file ends before the backup does."""

    code = "backup_truncated"
    message = N_("The backup ends too early: %(there)s of %(said)s bytes are there. Copy it once more.")


class DamagedBackup(BackupRefused):
    """Something in the file is not as it was written."""

    code = "backup_damaged"
    message = N_("The backup is damaged (%(what)s). Use another one.")


class WrongKey(BackupRefused):
    """None of the keys opens the file."""

    code = "backup_wrong_key"
    message = N_("The backup was encrypted for another key than the one that was given.")


class UnsignedBackup(BackupRefused):
    """Nobody who is trusted has signed the manifest."""

    code = "backup_unsigned"
    message = N_(
        "The backup is not signed by this installation or by a key that you named with --signed-by (%(signer)s):"
        " whoever knows the public key could have made it."
    )


class NotAsSaid(BackupRefused):
    """What was restored differs from the manifest."""

    code = "backup_differs"
    message = N_("What was restored differs from what the backup's manifest says (%(what)s). Nothing was changed.")


class NotRestored(Conflict):
    """The installation does not allow it as it is."""

    code = "not_restored"


def first_line(length: int, digest: str) -> bytes:
    """Return the line in clear before the age file."""
    return f"comptoir-backup/{FORMAT} {length:020d} {digest}\n".encode()


def read_first_line(line: bytes) -> tuple[int, str]:
    """Return the length and the SHA-256 of what follows; raises NotABackup, NewerBackup."""
    found = _FIRST_LINE.fullmatch(line)
    if found is None:
        raise NotABackup
    if int(found[1]) > FORMAT:
        raise NewerBackup(made_by=f"format {int(found[1])}")
    return int(found[2]), found[3].decode()


@dataclass(frozen=True, slots=True)
class Table:
    """What the manifest says of one table: `sha256` of its COPY text in the order of its primary key.

    `open_sha256` leaves sealed columns out; `sums` are of money columns, in minor units; `last_id` is where its own
    ids stand, None without such.
    """

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str
    open_sha256: str
    sums: Mapping[str, str]
    last_id: int | None

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        """Read it from JSON."""
        return cls(**{**said, "columns": tuple(said["columns"])})


@dataclass(frozen=True, slots=True)
class Trail:
    """Where the workspace's trail ended: its last seal, and the keys that signed it on the way."""

    number: int
    hash: str
    total: int
    key_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself, under one signature."""

    format: int
    product: str
    revision: str
    tenant_id: str
    slug: str
    name: str
    taken_at: str
    for_move: bool
    tables: tuple[Table, ...]
    files: tuple[str, ...]
    parts: Mapping[str, str]
    trail: Trail
    digest: str = field(default="")

    def written(self) -> bytes:
        """Return the bytes that are signed: keys sorted, no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    @property
    def sha256(self) -> str:
        """Return the name of this very backup."""
        return sha256(self.written()).hexdigest()

    @property
    def tenant(self) -> UUID:
        """Return the id of the workspace that it is of."""
        return UUID(self.tenant_id)

    @property
    def rows(self) -> int:
        """Return how many rows it holds."""
        return sum(table.rows for table in self.tables)

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Read a manifest; raises ValueError, TypeError, KeyError for one that is none."""
        said = json.loads(text)
        tables = tuple(Table.read(one) for one in said["tables"][: TABLES_MAX + 1])
        trail = Trail(**{**said["trail"], "key_ids": tuple(said["trail"]["key_ids"])})
        found = cls(**{**said, "tables": tables, "files": tuple(said["files"]), "trail": trail})
        UUID(found.tenant_id)
        return found


def signed_message(manifest: bytes) -> bytes:
    """Return what a signature signs: no other thing that the same key signs begins so."""
    return b"comptoir-backup/1 manifest\n" + manifest


def books_digest(tables: tuple[Table, ...]) -> str:
    """Return one digest over all tables but the trail: equal for equal books, whatever keys seal them."""
    lines = [f"{one.name} {one.rows} {one.open_sha256}\n" for one in sorted(tables, key=lambda one: one.name)]
    return sha256("".join(line for line in lines if not line.startswith(TRAIL)).encode()).hexdigest()


def file_name(slug: str, at: datetime) -> str:
    """Return the name of a backup's file."""
    return f"{slug}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"


def difference(said: Table, found: Table) -> str:
    """Return in what a table differs from what the manifest says of it, or nothing."""
    for name in ("columns", "rows", "sums", "sha256", "open_sha256"):
        if getattr(said, name) != getattr(found, name):
            return f"{said.name}: {name}"
    return ""
