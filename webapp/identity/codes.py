"""Pure rules of codes: those of an app (TOTP, RFC 6238) and the ten that stand in for it once."""

import hmac
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from pyotp import TOTP

STEP_SECONDS = 30
DIGITS = 6
DRIFT_STEPS = 1
"""A clock may be half a minute ahead or behind (RFC 6238, 5.2)."""
SECRET_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # noqa: S105 - the alphabet of RFC 4648, no secret
SECRET_LENGTH = 32
"""160 bits, as RFC 4226 recommends."""
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LENGTH = 4, 6
"""118 bits: a look-up secret of that size is kept under a plain hash (NIST SP 800-63B-4, 3.1.2.2)."""

Choose = Callable[[str], str]
"""Returns one letter of a text, by chance."""


def new_totp_secret(choose: Choose) -> str:
    """Return a secret to share with an app, in base 32."""
    return "".join(choose(SECRET_LETTERS) for _ in range(SECRET_LENGTH))


def step_of(at: datetime) -> int:
    """Return the number of the 30 seconds in which an instant lies."""
    return int(at.timestamp()) // STEP_SECONDS


def matching_step(secret: str, code: str, *, at: datetime) -> int | None:
    """Return the 30 seconds whose code was typed: these, those before or those after; None if it is none of them."""
    typed = "".join(code.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdecimal()):
        return None
    totp, now, found = TOTP(secret), step_of(at), None
    for step in range(max(0, now - DRIFT_STEPS), now + DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step), typed):
            found = step
    return found


def address_for_apps(secret: str, *, email: str, issuer: str) -> str:
    """Return what the QR code says: an otpauth address."""
    return TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)


def new_recovery_codes(choose: Choose) -> list[str]:
    """Return ten codes, in groups that can be read aloud."""
    return [
        "-".join("".join(choose(_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
        for _ in range(RECOVERY_CODES)
    ]


def recovery_hash(person_id: UUID, code: str) -> bytes:
    """Return what is kept of a recovery code; how it was grouped and its case make no difference."""
    plain = "".join(letter for letter in code.casefold() if letter.isalnum())
    return sha256(person_id.bytes + plain.encode()).digest()
