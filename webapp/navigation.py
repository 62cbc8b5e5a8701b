"""The ways onward: the rooms of a workspace, the pages around workspaces, and where a person begins."""

from uuid import UUID

from flask import Flask, current_app, g, request, url_for
from flask_babel import gettext as _

from webapp.access.permissions import Permission
from webapp.tenancy import queries as tenancy
from webapp.web.render import Frame

Way = tuple[str, str, str, bool]
"""One way onward: its label, address, icon, and whether one is there already."""


def install(app: Flask) -> None:
    """Tell the doors and the frame of every page which ways there are."""
    app.extensions["navigation"] = within
    app.extensions["surroundings"] = around
    app.extensions["first_page"] = first_page


def within(frame: Frame, slug: str) -> list[tuple[str, list[Way]]]:
    """Return the wings of a workspace with the rooms that the person may enter."""
    wings = [
        (
            _("Money"),
            [
                (_("Dashboard"), "money_dashboard.show", "layout-dashboard", Permission.LEDGER_ACCOUNTS_READ),
                (_("Entries"), "money_ledger.list_entries", "list", Permission.LEDGER_ENTRIES_READ),
                (_("Accounts"), "money_accounts.list_accounts", "landmark", Permission.LEDGER_ACCOUNTS_READ),
                (_("Imports"), "money_imports.list_imports", "file-up", Permission.IMPORTS_IMPORTS_READ),
                (_("Holds"), "money_holds.list_holds", "lock", Permission.LEDGER_HOLDS_READ),
                (_("Closed periods"), "money_periods.list_closings", "calendar", Permission.LEDGER_PERIODS_READ),
            ],
        ),
        (
            _("Office"),
            [
                (_("Members"), "office_members.list_members", "users", Permission.MEMBERS_MEMBERS_READ),
                (_("Access"), "office_access.mine", "scale", Permission.ACCESS_OWN_READ),
                (_("API tokens"), "office_tokens.list_tokens", "key-round", Permission.TOKENS_TOKENS_READ),
                (_("Jobs"), "office_jobs.list_jobs", "activity", Permission.JOBS_JOBS_READ),
                (_("Access policies"), "office_policies.list_stores", "shield-check", Permission.POLICIES_STORES_READ),
                (_("Trail"), "office_trail.list_events", "history", Permission.TRAIL_EVENTS_READ),
                (_("Export"), "office_exports.list_exports", "download", Permission.WORKSPACE_WORKSPACE_EXPORT),
            ],
        ),
    ]
    here = _room_of_this_page([endpoint for _wing, rooms in wings for _label, endpoint, *_more in rooms], slug)
    return [
        (
            wing,
            [
                (label, url_for(endpoint, slug=slug), icon, endpoint == here)
                for label, endpoint, icon, permission in rooms
                if frame.may(permission.value) or (_is_per_account(endpoint) and frame.may_some(permission.value))
            ],
        )
        for wing, rooms in wings
    ]


def _is_per_account(endpoint: str) -> bool:
    """Tell whether a page lets in who may on single accounts only."""
    return getattr(current_app.view_functions[endpoint], "per_account", False)


def _room_of_this_page(endpoints: list[str], slug: str) -> str:
    """Return the first page below whose address the shown page lies, else that of its room; an account is of Accounts.

    A statement that is being reconciled has an address of its own and is an account's as well.
    """
    below = [one for one in endpoints if f"{request.path}/".startswith(f"{url_for(one, slug=slug).rstrip('/')}/")]
    rooms = {
        "money_reconciliations": "money_accounts",
        "money_sharing": "money_accounts",
        "office_service_accounts": "office_tokens",
        "office_second_factor": "office_members",
        "office_erasure": "office_exports",
        "office_applications": "office_tokens",
        "office_sso": "office_members",
    }
    room = rooms.get(request.blueprint or "", request.blueprint)
    of_room = [one for one in endpoints if one.partition(".")[0] == room]
    deeper = [one for one in below if one != "money_dashboard.show"]
    return (deeper or of_room or [""])[0]


def first_page(person_id: UUID) -> str:
    """Return the only workspace of a person, else the list to choose from."""
    places = tenancy.workspaces(session=g.db, person_id=person_id)
    if len(places) != 1 or places[0].suspended_at is not None:
        return url_for("tenancy.workspaces")
    return url_for("money_dashboard.show", slug=places[0].slug)


def around(frame: Frame) -> None:
    """Fill the frame of a page outside every workspace: the workspaces to enter, and the platform for operators."""
    frame.tenants = tenancy.workspaces(session=g.db, person_id=frame.person.id)
    ways = [(_("Workspaces"), "tenancy.workspaces", "building-2")]
    wings = [(_("You"), [*ways, (_("Profile"), "identity.profile", "user")])]
    if frame.person.is_operator:
        wings.append(
            (
                _("Platform"),
                [
                    (_("All workspaces"), "platform.overview", "server"),
                    (_("Installation"), "platform.installation", "info"),
                    (_("Jobs"), "platform.list_jobs", "activity"),
                    (_("Backups"), "backups.list_backups", "archive"),
                    (_("Mails"), "platform.list_mails", "mail"),
                    (_("Trail"), "platform_trail.list_events", "history"),
                ],
            )
        )
    frame.nav = [
        (wing, [(label, url_for(endpoint), icon, request.endpoint == endpoint) for label, endpoint, icon in rooms])
        for wing, rooms in wings
    ]
