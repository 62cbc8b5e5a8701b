"""What permissions, their rooms and the scopes of tokens mean, in a few words for people; codes are small print."""

from webapp.access.permissions import Permission
from webapp.kernel.errors import N_

PERMISSION_WORDS: dict[str, str] = {
    Permission.ACCESS_DECISIONS_READ: N_("Ask a policy store for decisions"),
    Permission.ACCESS_GRANTS_WRITE: N_("Permit members something until a moment"),
    Permission.ACCESS_OWN_READ: N_("See what one may do oneself"),
    Permission.ACCESS_ROLES_READ: N_("See roles and grants, and ask why"),
    Permission.ACCESS_ROLES_WRITE: N_("Make roles and say who has them"),
    Permission.IMPORTS_IMPORTS_PUBLISH: N_("Book what was imported"),
    Permission.IMPORTS_IMPORTS_READ: N_("See imports"),
    Permission.IMPORTS_IMPORTS_REVERSE: N_("Take back a whole import"),
    Permission.IMPORTS_IMPORTS_WRITE: N_("Import statements and work on their rows"),
    Permission.JOBS_JOBS_READ: N_("See jobs"),
    Permission.JOBS_JOBS_WRITE: N_("Cancel and repeat jobs"),
    Permission.LEDGER_ACCOUNTS_READ: N_("See accounts and balances"),
    Permission.LEDGER_ACCOUNTS_WRITE: N_("Open and change accounts"),
    Permission.LEDGER_ENTRIES_CLOSE: N_("Change entries that were reconciled"),
    Permission.LEDGER_ENTRIES_READ: N_("See entries"),
    Permission.LEDGER_ENTRIES_REVERSE: N_("Reverse entries"),
    Permission.LEDGER_ENTRIES_WRITE: N_("Book and change entries"),
    Permission.LEDGER_HOLDS_READ: N_("See holds"),
    Permission.LEDGER_HOLDS_WRITE: N_("Make and end holds"),
    Permission.LEDGER_PERIODS_CLOSE: N_("Close periods"),
    Permission.LEDGER_PERIODS_READ: N_("See closed periods"),
    Permission.LEDGER_PERIODS_REOPEN: N_("Open closed periods again"),
    Permission.LEDGER_RECONCILIATIONS_READ: N_("See reconciliations"),
    Permission.LEDGER_RECONCILIATIONS_UNDO: N_("Undo reconciliations"),
    Permission.LEDGER_RECONCILIATIONS_WRITE: N_("Reconcile statements"),
    Permission.LEDGER_VIEWS_WRITE: N_("Keep searches as views"),
    Permission.MEMBERS_MEMBERS_READ: N_("See members"),
    Permission.MEMBERS_MEMBERS_WRITE: N_("Invite, change and remove members"),
    Permission.MEMBERS_OWNERS_WRITE: N_("Decide who owns the workspace"),
    Permission.POLICIES_DECISIONS_READ: N_("See recorded decisions"),
    Permission.POLICIES_OWN_ACTIVATE: N_("Activate policies over the workspace itself"),
    Permission.POLICIES_STORES_ACTIVATE: N_("Activate versions and remove policy stores"),
    Permission.POLICIES_STORES_READ: N_("See policy stores"),
    Permission.POLICIES_STORES_WRITE: N_("Make policy stores and write drafts"),
    Permission.TOKENS_TOKENS_ADMINISTER: N_("Administer everybody's tokens and programs"),
    Permission.TOKENS_TOKENS_READ: N_("See tokens"),
    Permission.TOKENS_TOKENS_WRITE: N_("Make tokens of one's own"),
    Permission.TRAIL_EVENTS_READ: N_("Read the trail"),
    Permission.WORKSPACE_WORKSPACE_REMOVE: N_("Remove the workspace"),
}

ROOM_WORDS: dict[str, str] = {
    "access": N_("Access"),
    "imports": N_("Imports"),
    "jobs": N_("Jobs"),
    "ledger": N_("Books"),
    "members": N_("Members"),
    "policies": N_("Access policies"),
    "tokens": N_("API tokens"),
    "trail": N_("Trail"),
    "workspace": N_("Workspace"),
}
"""What the first part of a permission's code is called."""

SCOPE_WORDS: dict[str, str] = {
    "access:read": N_("See who may do what"),
    "access:write": N_("Change who may do what"),
    "imports:read": N_("See imports"),
    "imports:write": N_("Import statements, book them and take them back"),
    "jobs:read": N_("See jobs"),
    "jobs:write": N_("Cancel and repeat jobs"),
    "ledger:read": N_("See accounts, entries and periods"),
    "ledger:write": N_("Change accounts, entries and periods"),
    "members:read": N_("See members"),
    "members:write": N_("Invite, change and remove members"),
    "policies:read": N_("See policy stores and decisions"),
    "policies:write": N_("Write and activate policies"),
    "tokens:read": N_("See tokens"),
    "tokens:write": N_("Make and revoke tokens"),
    "trail:read": N_("Read the trail"),
    "workspace:write": N_("Remove the workspace"),
}
"""What a token of each scope may, where its owner may."""
