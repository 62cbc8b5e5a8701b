"""Who asks in a workspace, what policies may ask about their request, and what one does ask."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from webapp.access.permissions import Permission, Role
from webapp.access.policy_text import tokens
from webapp.kernel.actor import SYSTEM

STEADY = frozenset({"token", "scopes", "scope"})
"""What of the context does not change between the requests of one person through one token."""
BOOKED = frozenset({"amount", "currency"})
"""What of the context tells what is booked."""
NO_CURRENCY = "XXX"
"""What ISO 4217 calls no currency: asked for where a limit does not say of which it is."""
_CHOSEN = re.compile(r'context\.currency == "([A-Z]{3})"')
_NAMED = re.compile(r'"([A-Z]{3})"')


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks in a workspace, as what, and how they came."""

    role: Role
    own_roles: tuple[str, ...] = ()
    person_id: UUID = SYSTEM
    scopes: frozenset[str] | None = None
    """What a token was narrowed to; None for a browser's session."""
    second_factor: bool = False
    network: str = ""
    at: datetime = field(default=datetime(1970, 1, 1, tzinfo=UTC))
    zone: str = "UTC"
    """The workspace's time zone, in which hours and days are meant (IANA)."""
    amount: tuple[str, int] | None = None
    """What would be booked: a currency and minor units."""

    def context(self, permission: Permission) -> dict[str, Any]:
        """Return what policies may ask about the request."""
        here, now = self.at.astimezone(ZoneInfo(self.zone)), self.at.astimezone(UTC)
        booked = {"currency": self.amount[0], "amount": self.amount[1]} if self.amount else {}
        return booked | {
            "token": self.scopes is not None,
            "scopes": sorted(self.scopes or ()),
            "scope": permission.scope,
            "second_factor": self.second_factor,
            "network": {"__extn": {"fn": "ip", "arg": self.network or "0.0.0.0"}},  # noqa: S104 - an address that nobody has
            "minute": here.hour * 60 + here.minute,
            "weekday": here.isoweekday(),
            "now": {"__extn": {"fn": "datetime", "arg": now.strftime("%Y-%m-%dT%H:%M:%SZ")}},
        }


def is_moody(text: str) -> bool:
    """Tell whether a policy looks at anything of the context that may be another with the next request."""
    return any(sign != "." or name not in STEADY for sign, name in _asked_of_context(text))


def is_heavy(text: str) -> bool:
    """Tell whether a policy looks at what is booked, in whatever way that is written."""
    return any(
        sign not in {".", "[", "has"} or name.strip('"') in BOOKED or "\\" in name
        for sign, name in _asked_of_context(text)
    )


def currencies_of(text: str) -> set[str]:
    """Return currencies in which a policy that looks at what is booked may permit something."""
    return set(_CHOSEN.findall(text)) or {NO_CURRENCY, *_NAMED.findall(text)}


def _asked_of_context(text: str) -> list[tuple[str, str]]:
    """Return what follows each `context`: `.` and a name mostly, `[` or `has` and a name or a text."""
    words = [*(token.text for token in tokens(text)), "", ""]
    return [(words[number + 1], words[number + 2]) for number, word in enumerate(words) if word == "context"]
