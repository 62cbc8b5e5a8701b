"""Pure rules of identity: people, addresses, passwords, networks, the form of an API token (AP-11)."""

import hmac
import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address, ip_network

from webapp.identity.password_rules import password_errors
from webapp.kernel.errors import N_, FieldError

EMAIL_LENGTH_MAX = 254
NAME_LENGTH_MAX = 200
NETWORKS_MAX = 20
TOKEN_NAME_LENGTH_MAX = 100
NOTE_LENGTH_MAX = 500
TOKEN_LIFE_MAX = timedelta(days=366)
CONFIRMED_FOR = timedelta(minutes=10)
"""So long after a confirmation nobody is asked again who they are."""
SEEN_EVERY = timedelta(minutes=1)
"""How often the use of a session or a token is noted."""

# Characters that part addresses or quote names in a letter's head are no part of an address here.
_EMAIL = re.compile(r"[^@\s\x00-\x1f,;:<>()\[\]\"\\]{1,64}@[^@\s\x00-\x1f,;:<>()\[\]\"\\]{1,189}")
_LOOKS = {
    "language": frozenset({"en", "fr", "ar"}),
    "theme": frozenset({"system", "light", "dark"}),
    "density": frozenset({"comfortable", "compact"}),
}
_TOKEN = re.compile(r"cpt_live_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9-]{43})(?P<check>[0-9a-f]{8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class TokenParts:
    """The public id of an API token and the hash of its secret."""

    id: str
    secret_hash: bytes


def is_confirmed(confirmed_at: datetime, *, at: datetime) -> bool:
    """Tell whether a confirmation still counts: for 10 minutes."""
    return at - confirmed_at <= CONFIRMED_FOR


def is_email(text: str) -> bool:
    """Tell whether the text can be an address; whether it is one, only a mail can tell."""
    return len(text) <= EMAIL_LENGTH_MAX and _EMAIL.fullmatch(text) is not None


def address_key(email: str) -> str:
    """Return what two addresses have in common that differ in the case of their letters only.

    It is hexadecimal, so that nothing else about them is taken for equal. A letter that only looks like one of ASCII
    when it is lower (the Kelvin sign) stays what it is: another mailbox.
    """
    low = (letter if letter.lower().isascii() and not letter.isascii() else letter.lower() for letter in email.strip())
    return "".join(low).encode().hex()


def is_name(text: str, length_max: int) -> bool:
    """Tell whether the text can be a name: it shows something, and a column can hold it as it was typed."""
    return bool(text.strip()) and len(text) <= length_max and "\x00" not in text


def person_errors(*, email: str, name: str, password: str | None) -> list[FieldError]:
    """Return what is wrong with a new person, who may be without a password."""
    errors = []
    if not is_email(email):
        errors.append(FieldError("email", "email", N_("This is not an e-mail address.")))
    errors += _name_errors(name)
    return errors + ([] if password is None else password_errors(password, email=email, name=name))


def preference_errors(*, name: str, language: str, theme: str, density: str) -> list[FieldError]:
    """Return what is wrong with a person's name and choice of looks."""
    chosen = {"language": language, "theme": theme, "density": density}
    text = N_("Choose one of the offered values.")
    wrong = [FieldError(field, "choice", text) for field, value in chosen.items() if value not in _LOOKS[field]]
    return _name_errors(name) + wrong


def _name_errors(name: str) -> list[FieldError]:
    if is_name(name, NAME_LENGTH_MAX):
        return []
    return [FieldError("name", "length", N_("A name has 1 to 200 characters."))]


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


def token_errors(
    *, name: str, scopes: Collection[str], known_scopes: Collection[str], life: timedelta, networks: Sequence[str]
) -> list[FieldError]:
    """Return what is wrong with a new token."""
    errors = []
    wrong = next((one for one in networks if network(one) is None), None)
    if wrong is not None:
        text = N_("%(text)s is no network; write 192.0.2.0/24.")
        errors.append(FieldError("networks", "network", text, {"text": wrong}))
    elif len(networks) > NETWORKS_MAX:
        errors.append(FieldError("networks", "many", N_("A token names at most 20 networks.")))
    if not is_name(name, TOKEN_NAME_LENGTH_MAX):
        errors.append(FieldError("name", "length", N_("A name has 1 to 100 characters.")))
    if not scopes or set(scopes) - set(known_scopes):
        errors.append(FieldError("scopes", "choice", N_("Choose at least one of the offered scopes.")))
    if not timedelta(0) < life <= TOKEN_LIFE_MAX:
        errors.append(FieldError("days", "range", N_("A token lives 1 to 366 days.")))
    return errors


def service_account_errors(*, name: str, note: str) -> list[FieldError]:
    """Return what is wrong with a service account; its name is never taken for a person's address."""
    errors = []
    if not is_name(name, TOKEN_NAME_LENGTH_MAX) or "@" in name or not name.isprintable():
        errors.append(FieldError("name", "name", N_("A service account's name has 1 to 100 characters and no @.")))
    if len(note) > NOTE_LENGTH_MAX or "\x00" in note:
        errors.append(FieldError("note", "length", N_("A note has at most 500 characters.")))
    return errors


def hash_secret(secret: str) -> bytes:
    """Return the SHA-256 of a secret with 256 bits of entropy, the form in which it is stored."""
    return sha256(secret.encode()).digest()


def token_hash(secret: str) -> bytes:
    """Return the hash under which a new token's secret is stored: that of what is written in the token."""
    return hash_secret(_within_token(secret))


def _within_token(secret: str) -> str:
    return secret.replace("_", "-")


def format_token(token_id: str, secret: str) -> str:
    """Write a token for the person who asked for it: prefix, id, secret and a checksum that scanners can verify."""
    body = f"cpt_live_{token_id}_{_within_token(secret)}"
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
