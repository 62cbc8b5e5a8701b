"""Access tokens as signed JWTs (RFC 9068) by RS256 or EdDSA: the key says which, never the token.

A token that is not exactly of the form that is written here is none: three parts, a header of alg, typ and kid alone.
"""

import json
import re
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from webapp.kernel.crypto import of_platform, ring_of
from webapp.oauth import queries
from webapp.oauth.commands import lock_keys
from webapp.oauth.models import OauthKey
from webapp.oauth.rules import KEY_SIGNS, KEY_VERIFIES, TYPE, Claims, is_kid, read_claims

RSA_BITS = 2048
LENGTH_MAX = 4096
PRIVATE = "oauth_key.private"
_PARTS = re.compile(r"([\w-]{1,1024})\.([\w-]{1,4096})\.([\w-]{1,1024})", re.ASCII)
_HEADER = frozenset({"alg", "typ", "kid"})


@dataclass(slots=True)
class _Public:
    alg: str
    key: Any = field(repr=False)
    born: datetime


class Signer:
    """Signs and verifies; keeps the keys that it has read. One for a process, safe for threads."""

    def __init__(self) -> None:
        self._public: dict[str, _Public] = {}
        self._private: dict[str, tuple[str, Any, datetime]] = {}
        self._lock = threading.Lock()

    def sign(self, session: Session, claims: dict[str, object], *, alg: str, at: datetime) -> str:
        """Write an access token, signed by the newest key of the algorithm; a key older than 30 days gives way."""
        kid, key, _born = self._signing(session, alg, at)
        header = {"alg": alg, "typ": TYPE, "kid": kid}
        said = f"{_write(json.dumps(header).encode())}.{_write(json.dumps(claims).encode())}"
        return f"{said}.{_write(_sign(alg, key, said.encode()))}"

    def verify(self, session: Session, text: str, *, issuer: str, at: datetime) -> Claims | None:
        """Return what an access token says; None unless one of our keys signed it, for now, for its workspace."""
        parts = _PARTS.fullmatch(text) if len(text) <= LENGTH_MAX else None
        if parts is None:
            return None
        header = _object(parts[1])
        if header is None or header.keys() != _HEADER or header["typ"] != TYPE or not is_kid(header["kid"]):
            return None
        known = self._verifying(session, header["kid"], at)
        mark = _read(parts[3])
        if known is None or header["alg"] != known.alg or mark is None:
            return None
        if not _holds(known.alg, known.key, mark, f"{parts[1]}.{parts[2]}".encode()):
            return None
        claims = _object(parts[2])
        return None if claims is None else read_claims(claims, issuer=issuer, at=at)

    def published(self, session: Session, *, at: datetime) -> dict[str, Any]:
        """Return the JWK set (RFC 7517) of the keys that verify now; there is one of each algorithm."""
        for alg in ("RS256", "EdDSA"):
            self._signing(session, alg, at)
        keys = [
            {**json.loads(public), "kid": kid, "alg": alg, "use": "sig"}
            for kid, alg, public, _born in queries.public_keys(session=session, at=at)
        ]
        return {"keys": keys}

    def _signing(self, session: Session, alg: str, at: datetime) -> tuple[str, Any, datetime]:
        with self._lock:
            kept = self._private.get(alg)
        if kept is not None and at - kept[2] < KEY_SIGNS:
            return kept
        found = newest_key(session=session, alg=alg, at=at) or _made(session, alg, at)
        with self._lock:
            self._private[alg] = found
        return found

    def _verifying(self, session: Session, kid: str, at: datetime) -> _Public | None:
        with self._lock:
            known = self._public.get(kid)
        if known is None:
            fresh = {
                one: _Public(alg, _load_public(json.loads(public)), born)
                for one, alg, public, born in queries.public_keys(session=session, at=at)
            }
            with self._lock:
                self._public |= fresh
            known = fresh.get(kid)
        return known if known is not None and at - known.born < KEY_VERIFIES else None


def newest_key(*, session: Session, alg: str, at: datetime) -> tuple[str, Any, datetime] | None:
    """Return kid, private key and birth of the key that signs now."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415 costs a start time

    query = (
        OauthKey.__table__.select()
        .where(OauthKey.alg == alg, OauthKey.created_at > at - KEY_SIGNS)
        .order_by(OauthKey.created_at.desc())
        .limit(1)
    )
    row = session.execute(query).mappings().first()
    if row is None:
        return None
    opened = ring_of(session).open(row["private"], context=of_platform(PRIVATE))
    return row["kid"], load_der_private_key(opened, None), row["created_at"]


def _made(session: Session, alg: str, at: datetime) -> tuple[str, Any, datetime]:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 costs a start time
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa  # noqa: PLC0415 costs a start time

    lock_keys(session=session)
    found = newest_key(session=session, alg=alg, at=at)
    if found is not None:
        return found
    key: Any = rsa.generate_private_key(65537, RSA_BITS) if alg == "RS256" else ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = _public_json(key.public_key())
    # RFC 7638: the members that make the key, in alphabetical order, without spaces.
    kid = _write(sha256(json.dumps(public, sort_keys=True, separators=(",", ":")).encode()).digest())
    session.execute(
        insert(OauthKey).values(
            kid=kid,
            alg=alg,
            private=ring_of(session).seal(private, context=of_platform(PRIVATE)),
            public=json.dumps(public),
            created_at=at,
        ),
    )
    return kid, key, at


def _public_json(key: Any) -> dict[str, str]:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 costs a start time

    if isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": _whole(numbers.n), "e": _whole(numbers.e)}
    return {"kty": "OKP", "crv": "Ed25519", "x": _write(key.public_bytes_raw())}


def _load_public(told: dict[str, str]) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa  # noqa: PLC0415 costs a start time

    if told["kty"] == "RSA":
        n, e = (int.from_bytes(_read(told[name]) or b"") for name in ("n", "e"))
        return rsa.RSAPublicNumbers(e, n).public_key()
    return ed25519.Ed25519PublicKey.from_public_bytes(_read(told["x"]) or b"")


def _sign(alg: str, key: Any, said: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 costs a start time
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 costs a start time

    found: bytes = key.sign(said, PKCS1v15(), SHA256()) if alg == "RS256" else key.sign(said)
    return found


def _holds(alg: str, key: Any, mark: bytes, said: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 costs a start time
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 costs a start time
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 costs a start time

    try:
        if alg == "RS256":
            key.verify(mark, said, PKCS1v15(), SHA256())
        else:
            key.verify(mark, said)
    except InvalidSignature:
        return False
    return True


def _write(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _whole(number: int) -> str:
    return _write(number.to_bytes((number.bit_length() + 7) // 8))


def _read(text: str) -> bytes | None:
    """Read base64url as RFC 7515 writes it: one text for each value, so that no second spelling of a token holds."""
    try:
        found = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return found if _write(found) == text else None


def _object(text: str) -> dict[str, Any] | None:
    data = _read(text)
    if data is None:
        return None
    try:
        found = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found
