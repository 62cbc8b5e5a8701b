"""Conditions of a grant or of a workspace's own role: what people choose, as Cedar text and back as words."""

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from webapp.access.extent import ACCOUNT_ID
from webapp.kernel.amounts import AmountError, read_amount
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.kernel.money import MoneyError, decimal

NETWORKS_MAX = 10
WEEK = "context.weekday <= 5"
SECOND_FACTOR = "context.second_factor"
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


@dataclass(frozen=True, slots=True)
class Conditions:
    """When something is permitted: everything that is named must hold.

    Times are minutes of the day in the workspace's time zone.
    """

    second_factor: bool = False
    networks: tuple[str, ...] = ()
    hours: tuple[int, int] | None = None
    working_days: bool = False
    until: datetime | None = None
    account_id: int | None = None
    """Only on this account and all below it."""
    amount: tuple[int, str] | None = None
    """At most so much for each entry: minor units and the currency."""

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
        if self.amount:
            most, currency = self.amount
            clauses.append(f'(context has amount && context.currency == "{currency}" && context.amount <= {most})')
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
    amount: str = "",
    currency: str = "",
) -> Conditions:
    """Read what was typed; raises Invalid (networks, begins, ends, account, amount)."""
    errors: list[FieldError] = []
    named = tuple(dict.fromkeys(networks.replace(",", " ").split()))
    try:
        found = tuple(str(ipaddress.ip_network(one)) for one in named)
    except ValueError:
        found = ()
        errors.append(FieldError("networks", "network", N_("Write networks like 192.0.2.0/24 or 2001:db8::/32.")))
    if len(named) > NETWORKS_MAX:
        errors.append(FieldError("networks", "count", N_("At most %(most)s networks."), {"most": NETWORKS_MAX}))
    hours = _hours(begins, ends, errors)
    if account and not ACCOUNT_ID.fullmatch(account):
        errors.append(FieldError("account", "choice", N_("Choose one of the offered values.")))
    limit = _limit(amount, currency, errors)
    if errors:
        raise Invalid(errors=tuple(errors))
    return Conditions(second_factor, found, hours, working_days, until, int(account) if account else None, limit)


def _hours(begins: str, ends: str, errors: list[FieldError]) -> tuple[int, int] | None:
    before, minutes = len(errors), []
    for field, text in (("begins", begins), ("ends", ends)):
        if text and not _TIME.fullmatch(text):
            errors.append(FieldError(field, "time", N_("Write a time of the day like 08:30.")))
        minutes.append(_minute(text) if _TIME.fullmatch(text) else None)
    first, last = minutes
    if (first is None) != (last is None) and len(errors) == before:
        errors.append(FieldError("ends" if last is None else "begins", "missing", N_("Say both times or neither.")))
    if first is None or last is None:
        return None
    if first >= last:
        errors.append(FieldError("ends", "order", N_("The end is later than the beginning, on the same day.")))
    return first, last


def _limit(amount: str, currency: str, errors: list[FieldError]) -> tuple[int, str] | None:
    if not amount:
        return None
    try:
        most = read_amount(amount, currency)
    except (AmountError, MoneyError):
        most = -1
    if most < 0:
        errors.append(FieldError("amount", "amount", N_("Write an amount like 250.00, and choose its currency.")))
    return most, currency


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def clock(minute: int) -> str:
    """Write a minute of the day as HH:MM."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


_SAID = (
    (re.compile(re.escape(SECOND_FACTOR)), N_("This is permitted to you only after signing in with a second factor.")),
    (re.compile(re.escape(WEEK)), N_("This is permitted to you only from Monday to Friday (%(zone)s).")),
    (re.compile(r"context\.minute >= (?P<time>\d+)"), N_("This is permitted to you only from %(time)s on (%(zone)s).")),
    (re.compile(r"context\.minute < (?P<time>\d+)"), N_("This is permitted to you only until %(time)s (%(zone)s).")),
    (
        re.compile(r'context\.now < datetime\("(?P<moment>[^"]+)"\)'),
        N_("This was permitted to you until %(moment)s."),
    ),
)
_AMOUNT = re.compile(r'\(context has amount && context\.currency == "(\w+)" && context\.amount <= (\d+)\)')
_NETWORK = re.compile(r'isInRange\(ip\("([^"]+)"\)\)')


def condition_words(condition: str, zone: str = "UTC") -> tuple[str, dict[str, Any]]:
    """Say to a person which condition was missing, hours by their zone; one written as Cedar is told as it is."""
    for pattern, message in _SAID:
        if found := pattern.fullmatch(condition):
            params: dict[str, Any] = found.groupdict()
            if "time" in params:
                params["time"] = clock(int(params["time"]))
            if "moment" in params:
                params["moment"] = datetime.fromisoformat(params["moment"])
            return message, params | {"zone": zone}
    if most := _AMOUNT.fullmatch(condition):
        amount = {"amount": decimal(int(most[2]), most[1]), "currency": most[1]}
        return N_("This is permitted to you only up to %(amount)s %(currency)s for each entry."), amount
    if networks := _NETWORK.findall(condition):
        return N_("This is permitted to you only from the networks %(networks)s."), {"networks": ", ".join(networks)}
    return N_("This is permitted to you only if this holds: %(condition)s"), {"condition": condition}
