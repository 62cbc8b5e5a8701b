"""Every permission, `room:resource:action`, in alphabetical order, and the roles that come with Comptoir.

What a role may is told by the policies beside this file; the guard asks them and is the only place that decides. A
view without a permission refuses to start.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum


class Permission(StrEnum):
    """What a member may be allowed to do in one workspace."""

    ACCESS_DECISIONS_READ = "access:decisions:read"
    ACCESS_GRANTS_WRITE = "access:grants:write"
    ACCESS_OWN_READ = "access:own:read"
    ACCESS_ROLES_READ = "access:roles:read"
    ACCESS_ROLES_WRITE = "access:roles:write"
    IMPORTS_IMPORTS_PUBLISH = "imports:imports:publish"
    IMPORTS_IMPORTS_READ = "imports:imports:read"
    IMPORTS_IMPORTS_REVERSE = "imports:imports:reverse"
    IMPORTS_IMPORTS_WRITE = "imports:imports:write"
    JOBS_JOBS_READ = "jobs:jobs:read"
    JOBS_JOBS_WRITE = "jobs:jobs:write"
    LEDGER_ACCOUNTS_READ = "ledger:accounts:read"
    LEDGER_ACCOUNTS_WRITE = "ledger:accounts:write"
    LEDGER_ENTRIES_CLOSE = "ledger:entries:close"
    LEDGER_ENTRIES_READ = "ledger:entries:read"
    LEDGER_ENTRIES_REVERSE = "ledger:entries:reverse"
    LEDGER_ENTRIES_WRITE = "ledger:entries:write"
    LEDGER_HOLDS_READ = "ledger:holds:read"
    LEDGER_HOLDS_WRITE = "ledger:holds:write"
    LEDGER_PERIODS_CLOSE = "ledger:periods:close"
    LEDGER_PERIODS_READ = "ledger:periods:read"
    LEDGER_PERIODS_REOPEN = "ledger:periods:reopen"
    LEDGER_RECONCILIATIONS_READ = "ledger:reconciliations:read"
    LEDGER_RECONCILIATIONS_UNDO = "ledger:reconciliations:undo"
    LEDGER_RECONCILIATIONS_WRITE = "ledger:reconciliations:write"
    LEDGER_VIEWS_WRITE = "ledger:views:write"
    MEMBERS_MEMBERS_READ = "members:members:read"
    MEMBERS_MEMBERS_WRITE = "members:members:write"
    MEMBERS_OWNERS_WRITE = "members:owners:write"
    POLICIES_DECISIONS_READ = "policies:decisions:read"
    POLICIES_OWN_ACTIVATE = "policies:own:activate"
    POLICIES_STORES_ACTIVATE = "policies:stores:activate"
    POLICIES_STORES_READ = "policies:stores:read"
    POLICIES_STORES_WRITE = "policies:stores:write"
    TOKENS_TOKENS_ADMINISTER = "tokens:tokens:administer"
    TOKENS_TOKENS_READ = "tokens:tokens:read"
    TOKENS_TOKENS_WRITE = "tokens:tokens:write"
    TRAIL_EVENTS_READ = "trail:events:read"
    WORKSPACE_WORKSPACE_EXPORT = "workspace:workspace:export"
    WORKSPACE_WORKSPACE_REMOVE = "workspace:workspace:remove"

    @property
    def scope(self) -> str:
        """Return the token scope that covers this permission: `room:read` or `room:write`."""
        room, _, action = self.value.split(":")
        return f"{room}:read" if action == "read" else f"{room}:write"

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of things that it can be given on: the workspace with all in it, or single accounts too."""
        return ("Workspace", "Account") if self in PER_ACCOUNT else ("Workspace",)

    @property
    def groups(self) -> tuple[str, str]:
        """Return the groups of actions that it stands in: its room's, and that of what reads or changes."""
        room, _, action = self.value.split(":")
        return f"{room}:*", "*:read" if action == "read" else "*:change"


PER_ACCOUNT = frozenset(
    {
        Permission.LEDGER_ACCOUNTS_READ,
        Permission.LEDGER_ENTRIES_READ,
        Permission.LEDGER_ENTRIES_REVERSE,
        Permission.LEDGER_ENTRIES_WRITE,
    }
)
"""What can be permitted on single accounts, each with all below it."""
BOOKS = frozenset({Permission.LEDGER_ENTRIES_REVERSE, Permission.LEDGER_ENTRIES_WRITE})
"""What can be permitted up to an amount."""
TELLS = {Permission.TRAIL_EVENTS_READ: (Permission.LEDGER_ACCOUNTS_READ, Permission.LEDGER_ENTRIES_READ)}
"""What shows of every account what these would withhold of single ones."""


class Role(StrEnum):
    """A member's role in one workspace."""

    OWNER = "owner"
    ADMIN = "admin"
    ACCOUNTANT = "accountant"
    TECHNICIAN = "technician"
    MEMBER = "member"
    AUDITOR = "auditor"
    CUSTOMER = "customer"


WITHOUT_ROOMS = frozenset({Role.TECHNICIAN, Role.CUSTOMER})
"""Roles whose rooms are not built yet: who has one keeps it, and no list offers it."""


def offered(roles: Iterable[Role], *, kept: Collection[str] = ()) -> list[Role]:
    """Return the roles that a list offers: those with rooms, and those that are there already."""
    return [one for one in roles if one not in WITHOUT_ROOMS or one.value in kept]


SCOPES = tuple(sorted({permission.scope for permission in Permission}))
"""Everything that a token can be narrowed to."""
