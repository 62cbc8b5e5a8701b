"""Pure rules of identity: addresses, passwords, the form of an API token (AP-11)."""

import hmac
import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address, ip_network
from itertools import pairwise

EMAIL_LENGTH_MAX = 254
PASSWORD_LENGTH_MIN = 15
"""NIST SP 800-63B-4, 3.1.1.2: a password that is the only factor has at least 15 characters."""
PASSWORD_LENGTH_MAX = 1024
NETWORKS_MAX = 20
DIFFERENT_MIN = 5
"""A password of fewer different characters is easy to guess, however long."""
REPEATED_MAX = 10
_ROWS = "1234567890 qwertyuiop asdfghjkl zxcvbnm azertyuiop qsdfghjklm wxcvbn qwertzuiop yxcvbnm"
ATTEMPTS_FREE = 5
DELAY_SECONDS_MAX = 15 * 60
ATTEMPTS_KEPT_SECONDS = 24 * 3600

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")
_TOKEN = re.compile(r"cpt_live_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9-]{43})(?P<check>[0-9a-f]{8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class TokenParts:
    """The public id of an API token and the hash of its secret."""

    id: str
    secret_hash: bytes


def is_email(text: str) -> bool:
    """Tell whether the text can be an address; whether it is one, only a mail can tell."""
    return len(text) <= EMAIL_LENGTH_MAX and _EMAIL.fullmatch(text) is not None


def is_name(text: str, length_max: int) -> bool:
    """Tell whether the text can be a name: it shows something, and a column can hold it as it was typed."""
    return bool(text.strip()) and len(text) <= length_max and "\x00" not in text


def password_problem(password: str, *, email: str) -> str | None:
    """Return the code of what is wrong with a new password, or None."""
    if len(password) < PASSWORD_LENGTH_MIN:
        return "password_short"
    if len(password) > PASSWORD_LENGTH_MAX:
        return "password_long"
    folded = password.casefold()
    letters = "".join(filter(str.isalpha, folded))
    if len(set(folded)) < DIFFERENT_MIN or folded == email.casefold():
        return "password_common"
    if _repeats(folded) or _repeats(letters) or _runs(folded):
        return "password_common"
    return None


def _repeats(text: str) -> bool:
    """Tell whether a text is one short word over and over: `letmeinletmein`."""
    period = (text + text).find(text, 1) if text else 0
    return 0 < period < len(text) and period <= REPEATED_MAX


def _runs(text: str) -> bool:
    """Tell whether most of a text runs along the alphabet, the digits or a row of keys: `qwertyuiop123456`."""
    steps = [first + second for first, second in pairwise(text)]
    easy = [step for step in steps if abs(ord(step[1]) - ord(step[0])) <= 1 or step in _ROWS or step[::-1] in _ROWS]
    return len(easy) > len(steps) * 0.7


def network(text: str) -> str | None:
    """Return a network in its usual form (`192.0.2.0/24`, an address alone is one too); None if it is none."""
    try:
        return None if "%" in text else str(ip_network(text.strip(), strict=False))
    except ValueError:
        return None


def is_within(address: str, networks: Collection[str]) -> bool:
    """Tell whether an address lies in one of the networks; none named means everywhere."""
    if not networks:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in ip_network(one) for one in networks)


def narrows(networks: Collection[str], within: Collection[str]) -> bool:
    """Tell whether every one of the networks lies in one of those within which it must."""
    if not within:
        return True
    inner = [ip_network(one, strict=False) for one in networks]
    outer = [ip_network(one, strict=False) for one in within]
    return bool(inner) and all(
        any(one.version == other.version and one.subnet_of(other) for other in outer)  # type: ignore[arg-type]
        for one in inner
    )


def delay_seconds(attempts: int) -> int:
    """Return how long an account waits after so many attempts without success: 0, then 1, 2, 4 … 900 seconds."""
    if attempts < ATTEMPTS_FREE:
        return 0
    return min(1 << min(attempts - ATTEMPTS_FREE, 30), DELAY_SECONDS_MAX)


def hash_secret(secret: str) -> bytes:
    """Return the SHA-256 of a secret with 256 bits of entropy, the form in which it is stored."""
    return sha256(secret.encode()).digest()


def format_token(token_id: str, secret: str) -> str:
    """Write a token for the person who asked for it: prefix, id, secret and a checksum that scanners can verify."""
    body = f"cpt_live_{token_id}_{secret.replace('_', '-')}"
    return f"{body}{zlib.crc32(body.encode()):08x}"


def parse_token(text: str) -> TokenParts | None:
    """Read a token; None if it is none or mistyped, before any database is asked."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    body = text[: match.start("check")]
    if not hmac.compare_digest(f"{zlib.crc32(body.encode()):08x}", match["check"]):
        return None
    return TokenParts(match["id"], hash_secret(match["secret"]))
