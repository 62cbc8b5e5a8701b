"""Sharing one account, with all below it, with one member: a grant that is limited to it. For pages and calls alike."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from flask import g

from tenants.money.accounts import queries
from tenants.money.accounts.names import spoken
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.shown import account_path, known_account
from tenants.office.access import commands
from tenants.office.access import queries as access
from webapp.access.extent import Extent
from webapp.access.guard import permitted
from webapp.access.permissions import PER_ACCOUNT, Permission
from webapp.access.queries import GrantView
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.web.state import services

_SEE = (Permission.LEDGER_ACCOUNTS_READ, Permission.LEDGER_ENTRIES_READ)
MAY = {
    "see": (N_("See it and its entries"), _SEE),
    "book": (N_("See it and book on it"), (*_SEE, Permission.LEDGER_ENTRIES_WRITE)),
}
"""What an account is shared for, in words, and what that permits."""


@dataclass(frozen=True, slots=True)
class Share:
    """One grant that reaches an account: given on it, or on `account` above it."""

    grant: GrantView
    account: AccountView

    @property
    def may(self) -> str:
        """Return what it is for; empty when the grant permits something else."""
        return next((name for name, (_words, them) in MAY.items() if set(self.grant.permissions) == set(them)), "")


def share(account_id: int, *, person_id: UUID, may: str, until: datetime, note: str) -> UUID:
    """Share an account with a member until a moment, and return the grant's id; raises NotFound, Invalid, Conflict."""
    account = known_account(account_id)
    if may not in MAY:
        raise Invalid(errors=(FieldError("may", "choice", N_("Choose one of the offered values.")),))
    permissions = tuple(one.value for one in MAY[may][1])
    grant_id = services().new_id()
    commands.grant(
        session=g.db,
        actor=g.actor,
        at=g.at,
        grant_id=grant_id,
        person_id=person_id,
        shape=commands.ShapeDraft(permissions, account=str(account.id)),
        until=until,
        note=note,
        giver=_givable(account),
    )
    return grant_id


def _givable(account: AccountView) -> frozenset[Permission]:
    """Return what whoever asks may give on an account: what they may, of all below it too."""
    below = set(queries.ids_within(session=g.db, extent=Extent(named=frozenset({account.id}))) or ())

    def is_whole(permission: Permission) -> bool:
        reached = queries.ids_within(session=g.db, extent=g.rulebook.extent(permission, g.asker))
        return (reached is None or below <= set(reached)) and not g.rulebook.forbids_amounts(permission, g.asker)

    may = permitted(asker=g.asker, rulebook=g.rulebook)
    return frozenset(one for one in may & PER_ACCOUNT if is_whole(one) and g.rulebook.lasts(one, g.asker))


def shares_of(account: AccountView) -> list[Share]:
    """Return the grants that reach an account now, those given on it first."""
    above = account_path(account.id)
    known = queries.accounts_by_id(session=g.db, ids=above)
    live = access.live_grants(session=g.db, at=g.at)
    found = [Share(grant, spoken(known[grant.account_id])) for grant in live if grant.account_id in above]
    return sorted(found, key=lambda share: above.index(share.account.id))


def day_end(text: str) -> datetime:
    """Read a day of a form as its end (UTC); what is no day is long past."""
    try:
        return datetime.fromisoformat(f"{text}T23:59:59").replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
