"""Every permission, `room:resource:action`, in alphabetical order; roles are sets of them.

The guard is the only place that decides; a view without a permission refuses to start.
"""

from enum import StrEnum


class Permission(StrEnum):
    """What a member may be allowed to do in one workspace."""

    ACCESS_DECISIONS_READ = "access:decisions:read"
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
    POLICIES_DECISIONS_READ = "policies:decisions:read"
    POLICIES_STORES_ACTIVATE = "policies:stores:activate"
    POLICIES_STORES_READ = "policies:stores:read"
    POLICIES_STORES_WRITE = "policies:stores:write"
    TOKENS_TOKENS_ADMINISTER = "tokens:tokens:administer"
    TOKENS_TOKENS_READ = "tokens:tokens:read"
    TOKENS_TOKENS_WRITE = "tokens:tokens:write"
    TRAIL_EVENTS_READ = "trail:events:read"
    WORKSPACE_WORKSPACE_REMOVE = "workspace:workspace:remove"

    @property
    def scope(self) -> str:
        """Return the token scope that covers this permission: `room:read` or `room:write`."""
        room, _, action = self.value.split(":")
        return f"{room}:read" if action == "read" else f"{room}:write"


class Role(StrEnum):
    """A member's role in one workspace."""

    OWNER = "owner"
    ACCOUNTANT = "accountant"
    MEMBER = "member"
    AUDITOR = "auditor"


READS = frozenset(permission for permission in Permission if permission.value.endswith(":read"))

_ACCOUNTANT_NOT = {
    Permission.LEDGER_PERIODS_REOPEN,
    Permission.LEDGER_RECONCILIATIONS_UNDO,
    Permission.MEMBERS_MEMBERS_WRITE,
    Permission.POLICIES_STORES_ACTIVATE,
    Permission.POLICIES_STORES_WRITE,
    Permission.WORKSPACE_WORKSPACE_REMOVE,
}
_MEMBER_ALSO = {
    Permission.IMPORTS_IMPORTS_PUBLISH,
    Permission.IMPORTS_IMPORTS_WRITE,
    Permission.LEDGER_ENTRIES_WRITE,
    Permission.LEDGER_VIEWS_WRITE,
    Permission.TOKENS_TOKENS_WRITE,
}

GRANTS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ACCOUNTANT: frozenset(Permission) - _ACCOUNTANT_NOT,
    Role.MEMBER: READS | _MEMBER_ALSO,
    Role.AUDITOR: READS,
}

SCOPES = tuple(sorted({permission.scope for permission in Permission}))
"""Everything that a token can be narrowed to."""
