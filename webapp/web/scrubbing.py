"""What a log line never tells: secrets, wherever in it they stand. The last that is done before it is written."""

import re
from collections.abc import MutableMapping
from typing import Any

GONE = "[removed]"
_NAMES = re.compile(
    r"(?i)(?:^|_)(?:password|passwd|secret|token|cookie|authorization|credential|otp|recovery|assertion|iban)s?$"
)
"""Fields of a line whose value is taken out whole."""
_QUERY = re.compile(
    r"(?i)\b([\w-]*(?:password|secret|token|code|state|nonce|assertion|csrf|api[_-]?key)[\w-]*)=([^&\s\"'<>;,)]+)"
)
_SECRETS = (
    # Tokens of the API, whole; a token's id alone may stand in a line.
    (re.compile(r"cpt_[a-z]+_[0-9A-Za-z_-]{16,}"), GONE),
    (re.compile(r"(?i)\b(bearer|basic|dpop)\s+[0-9A-Za-z._~+/=-]{8,}"), rf"\1 {GONE}"),
    (re.compile(r"((?:__Host-)?comptoir(?:-[a-z]+)?)=[^;\s\"']+"), rf"\1={GONE}"),
    (_QUERY, rf"\1={GONE}"),
    # What ids.new_secret makes: sessions, links that work once, invitations. Numbers of requests and hashes are longer
    # or shorter.
    (re.compile(r"(?<![0-9A-Za-z_-])[0-9A-Za-z_-]{43}(?![0-9A-Za-z_-])"), GONE),
    # JSON Web Tokens.
    (re.compile(r"\beyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*"), GONE),
    # user:password@ of an address.
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), rf"\1:{GONE}@"),
    # PostgreSQL repeats the row that it refuses.
    (re.compile(r"(?m)(DETAIL:|Failing row contains).*$"), rf"\1 {GONE}"),
)
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?:\s?[0-9A-Z]{4}){2,7}(?:\s?[0-9A-Z]{1,4})?\b", re.IGNORECASE)
_REMAINDER = 97


def scrubbed(text: str) -> str:
    """Return a text without secrets."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return _IBAN.sub(_without_iban, text)


def scrub(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take the secrets out of a line; a processor of structlog."""
    for name, value in event.items():
        event[name] = _clean(name, value)
    return event


def _clean(name: str, value: Any) -> Any:
    if value and _NAMES.search(name):
        return GONE
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, dict):
        return {key: _clean(str(key), one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", one) for one in value]
    return value if isinstance(value, int | float | None) else scrubbed(str(value))


def _without_iban(match: "re.Match[str]") -> str:
    """Take out what is an IBAN by its check digits (ISO 13616, ISO 7064 MOD 97-10); other words stay readable."""
    bare = "".join(match[0].split()).upper()
    digits = "".join(str(int(letter, 36)) for letter in bare[4:] + bare[:4])
    return GONE if int(digits) % _REMAINDER == 1 else match[0]
