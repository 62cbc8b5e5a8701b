"""Conditions of a grant or of a workspace's own role: what people choose, as Cedar text and back as words."""

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from webapp.kernel.errors import N_, FieldError, Invalid

NETWORKS_MAX = 10
WEEK = "context.weekday <= 5"
SECOND_FACTOR = "context.second_factor"
_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


@dataclass(frozen=True, slots=True)
class Conditions:
    """When something is permitted: everything that is named must hold. Times are UTC, minutes of the day."""

    second_factor: bool = False
    networks: tuple[str, ...] = ()
    hours: tuple[int, int] | None = None
    working_days: bool = False
    until: datetime | None = None
    account_id: int | None = None
    """Only on this account and all below it."""

    @property
    def resource(self) -> str:
        """Return what the scope says of the resource: the workspace with everything in it, or one account."""
        if self.account_id is None:
            return 'resource in Workspace::"here"'
        return f'resource in Account::"{self.account_id}"'

    @property
    def cedar(self) -> str:
        """Return the clauses, one for each condition, so that a refusal can name what was missing."""
        clauses = []
        if self.second_factor:
            clauses.append(SECOND_FACTOR)
        if self.networks:
            clauses.append(" || ".join(f'context.network.isInRange(ip("{one}"))' for one in self.networks))
        if self.hours:
            clauses.append(f"context.minute >= {self.hours[0]} && context.minute < {self.hours[1]}")
        if self.working_days:
            clauses.append(WEEK)
        if self.until:
            clauses.append(f'context.now < datetime("{self.until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")')
        return "".join(f"\nwhen {{ {clause} }}" for clause in clauses)


def read_conditions(
    *,
    second_factor: bool,
    networks: str,
    begins: str,
    ends: str,
    working_days: bool,
    until: datetime | None = None,
    account: str = "",
) -> Conditions:
    """Read what was typed; raises Invalid (networks, begins, ends, account)."""
    errors = []
    named = tuple(dict.fromkeys(networks.replace(",", " ").split()))
    try:
        found = tuple(str(ipaddress.ip_network(one)) for one in named)
    except ValueError:
        found = ()
        errors.append(FieldError("networks", "network", N_("Write networks like 192.0.2.0/24 or 2001:db8::/32.")))
    if len(named) > NETWORKS_MAX:
        errors.append(FieldError("networks", "count", N_("At most %(most)s networks."), {"most": NETWORKS_MAX}))
    minutes = []
    for field, text in (("begins", begins), ("ends", ends)):
        if text and not _TIME.fullmatch(text):
            errors.append(FieldError(field, "time", N_("Write a time of the day like 08:30.")))
        minutes.append(_minute(text) if _TIME.fullmatch(text) else None)
    if (minutes[0] is None) != (minutes[1] is None) and not errors:
        errors.append(
            FieldError("ends" if minutes[1] is None else "begins", "missing", N_("Say both times or neither."))
        )
    hours = (minutes[0], minutes[1]) if minutes[0] is not None and minutes[1] is not None else None
    if hours and hours[0] >= hours[1]:
        errors.append(FieldError("ends", "order", N_("The end is later than the beginning, on the same day.")))
    if account and not _ID.fullmatch(account):
        errors.append(FieldError("account", "choice", N_("Choose one of the offered values.")))
    if errors:
        raise Invalid(errors=tuple(errors))
    return Conditions(second_factor, found, hours, working_days, until, int(account) if account else None)


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def clock(minute: int) -> str:
    """Write a minute of the day as HH:MM."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


_SAID = (
    (re.compile(re.escape(SECOND_FACTOR)), N_("This is permitted to you only after signing in with a second factor.")),
    (re.compile(re.escape(WEEK)), N_("This is permitted to you only from Monday to Friday (UTC).")),
    (re.compile(r"context\.minute >= (?P<time>\d+)"), N_("This is permitted to you only from %(time)s on (UTC).")),
    (re.compile(r"context\.minute < (?P<time>\d+)"), N_("This is permitted to you only until %(time)s (UTC).")),
    (
        re.compile(r'context\.now < datetime\("(?P<moment>[^"]+)"\)'),
        N_("This was permitted to you until %(moment)s."),
    ),
)
_NETWORK = re.compile(r'isInRange\(ip\("([^"]+)"\)\)')


def condition_words(condition: str) -> tuple[str, dict[str, str]]:
    """Say to a person which condition was missing; one that was written as Cedar is told as it is."""
    for pattern, message in _SAID:
        if found := pattern.fullmatch(condition):
            params = found.groupdict()
            return message, params | ({"time": clock(int(params["time"]))} if "time" in params else {})
    if networks := _NETWORK.findall(condition):
        return N_("This is permitted to you only from the networks %(networks)s."), {"networks": ", ".join(networks)}
    return N_("This is permitted to you only if this holds: %(condition)s"), {"condition": condition}
