"""Look a backup through from its begin to its end before anything of it is believed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from webapp.audit.offline import key_id_of, verify_signature
from webapp.backups.archive import Archive, unpacked
from webapp.backups.envelope import opened, see_whole
from webapp.backups.rules import (
    FORMAT,
    TABLES_MAX,
    DamagedBackup,
    Manifest,
    NewerBackup,
    UnsignedBackup,
    books_digest,
    signed_message,
)

SMALL_PARTS = ("head.json", "keys.json", "platform.json")


@dataclass(frozen=True, slots=True)
class Inspected:
    """A backup that is whole and signed by somebody who is trusted."""

    manifest: Manifest
    keys: list[dict[str, Any]]
    platform: dict[str, Any]
    signed_by: str
    size_bytes: int


def inspect(
    *,
    path: Path,
    identities: list[str],
    trusted: Mapping[str, bytes],
    beat: Callable[[int], None] = lambda _bytes: None,
) -> Inspected:
    """Read a whole backup and compare all of it with its signed manifest; `trusted` are public keys by their names.

    Raises NotABackup, NewerBackup, TruncatedBackup, DamagedBackup, WrongKey, UnsignedBackup, BadKey.
    """
    size = see_whole(path)
    with opened(path, identities) as file, unpacked(file) as archive:
        return _inspect(archive, trusted, size, beat)


def _inspect(archive: Archive, trusted: Mapping[str, bytes], size: int, beat: Callable[[int], None]) -> Inspected:
    said = {SMALL_PARTS[0]: archive.small(SMALL_PARTS[0])}
    _refuse_newer(said["head.json"])
    said |= {name: archive.small(name) for name in SMALL_PARTS[1:]}
    found: dict[str, tuple[int, str]] = {}
    seen = 0
    while table := archive.table():
        if len(found) >= TABLES_MAX or table in found:
            raise DamagedBackup(what=f"table {table} comes twice")
        digest, rows = sha256(), 0
        for piece in archive.pieces(table):
            digest.update(piece)
            rows += piece.count(b"\n")
            beat(seen := seen + len(piece))
        found[table] = rows, digest.hexdigest()
    text, signature = archive.small("manifest.json"), archive.small("manifest.sig")
    signer = _signer(text, signature, trusted)
    try:
        manifest = Manifest.read(text)
        keys, platform = json.loads(said["keys.json"]), json.loads(said["platform.json"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedBackup(what=f"its manifest: {error}") from None
    for name, content in said.items():
        if manifest.parts.get(name) != sha256(content).hexdigest():
            raise DamagedBackup(what=name)
    empty = 0, sha256().hexdigest()
    expected = {one.name: (one.rows, one.sha256) for one in manifest.tables}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name, empty):
            raise DamagedBackup(what=f"table {name}")
    if manifest.digest != books_digest(manifest.tables):
        raise DamagedBackup(what="its digest")
    return Inspected(manifest, keys, platform, signer, size)


def _refuse_newer(text: bytes) -> None:
    try:
        head = json.loads(text)
        newer, made_by = int(head["format"]) > FORMAT, str(head["product"])
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedBackup(what=f"head.json: {error}") from None
    if newer:
        raise NewerBackup(made_by=made_by)


def _signer(manifest: bytes, said: bytes, trusted: Mapping[str, bytes]) -> str:
    """Return the name of the trusted key that signed a manifest; raises UnsignedBackup."""
    name, _, signature = said.decode("ascii", "replace").strip().partition(" ")
    try:
        is_signed = verify_signature(trusted.get(name, b""), signed_message(manifest), bytes.fromhex(signature))
    except ValueError:
        is_signed = False
    if not is_signed:
        raise UnsignedBackup(signer=f"key {name[:16]}" if name else "no signature")
    return name


def named(public_keys: tuple[str, ...]) -> dict[str, bytes]:
    """Return public keys that a person gave as hexadecimal digits, by their names; raises ValueError."""
    keys = [bytes.fromhex(one) for one in public_keys]
    return {key_id_of(key): key for key in keys}
