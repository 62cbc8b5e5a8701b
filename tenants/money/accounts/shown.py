"""The accounts that a request may be about: all, or those that the permission of its page or call reaches.

Doors that let in who may on single accounts only (`requires(…, per_account=True)`) read accounts here.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from flask import Blueprint, g, request

from tenants.money.accounts import queries
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.tree import choices, label
from webapp.access.door import SAFE, ask, refuse
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound


def shown_ids() -> tuple[int, ...] | None:
    """Return the accounts that this request may be about, asked once; None for all."""
    if "shown_ids" not in g:
        extent = g.get("extent")
        g.shown_ids = queries.ids_within(session=g.db, extent=extent) if extent is not None else None
    found: tuple[int, ...] | None = g.shown_ids
    return found


def narrow_to(permission: Permission) -> None:
    """Let this request be about no more than another permission reaches as well; raises Forbidden."""
    before = shown_ids()
    ask(permission, per_account=True)
    del g.shown_ids
    ids = shown_ids()
    if before is not None:
        g.shown_ids = before if ids is None else tuple(sorted({*before} & {*ids}))


def shown_accounts(*, ids: Collection[int] | None = None, **asked: Any) -> list[AccountView]:
    """Return accounts as `queries.accounts` does, of those that this request may be about."""
    within = shown_ids()
    if within is None:
        return queries.accounts(session=g.db, ids=ids, **asked)
    wanted = within if ids is None else [one for one in within if one in ids]
    return [_rooted(one, within) for one in queries.accounts(session=g.db, ids=wanted, **asked)]


def shown_account(account_id: int) -> AccountView:
    """Return one account; raises NotFound for one that does not exist as for one that this request may not be about."""
    within = shown_ids()
    account = queries.account(session=g.db, account_id=account_id)
    if account is None or (within is not None and account_id not in within):
        raise NotFound
    return account if within is None else _rooted(account, within)


def known_ids() -> tuple[int, ...] | None:
    """Return the accounts that the person may know of, whatever this request is about and its token does; None for all.

    For rooms that tell of accounts by permissions of their own, such as who may do what on them.
    """
    if "known_ids" not in g:
        extent = g.rulebook.reach(Permission.LEDGER_ACCOUNTS_READ, replace(g.asker, scopes=None))
        g.known_ids = queries.ids_within(session=g.db, extent=extent)
    found: tuple[int, ...] | None = g.known_ids
    return found


def known_account(account_id: int) -> AccountView:
    """Return one account that the person may know of; raises NotFound."""
    within, account = known_ids(), queries.account(session=g.db, account_id=account_id)
    if account is None or (within is not None and account_id not in within):
        raise NotFound
    return account


def kept_ids(permission: Permission = Permission.LEDGER_ACCOUNTS_READ) -> tuple[int, ...] | None:
    """Return the accounts that are not withheld from whoever asks, for rooms with permissions of the whole workspace.

    Those are the accounts that a permission on accounts reaches; None for all, also where nothing speaks of it.
    """
    extent = g.rulebook.reach(permission, replace(g.asker, scopes=None))
    if extent.is_empty and not extent.policies:
        return None
    return queries.ids_within(session=g.db, extent=extent)


def keep_account(account_id: int | None) -> None:
    """Let a request be about an account that is not withheld: else it is not there, or may not be booked on.

    Raises NotFound, Forbidden.
    """
    within = kept_ids()
    if within is not None and account_id not in within:
        raise NotFound
    if request.method in SAFE:
        return
    booked = kept_ids(Permission.LEDGER_ENTRIES_WRITE)
    if booked is not None and account_id not in booked:
        refuse(
            Permission.LEDGER_ENTRIES_WRITE,
            g.rulebook.reach(Permission.LEDGER_ENTRIES_WRITE, replace(g.asker, scopes=None)),
        )


def kept_accounts(**asked: Any) -> list[AccountView]:
    """Return accounts as `queries.accounts` does, of those that are not withheld."""
    within = kept_ids()
    found = queries.accounts(session=g.db, ids=within, **asked)
    return found if within is None else [_rooted(one, within) for one in found]


def keep_within(room: Blueprint, parameter: str, account_of: Callable[[int], int | None]) -> None:
    """Weigh every page and call of a room with its account: `parameter` of the address names a row, which has one."""

    @room.before_request
    def weigh_account() -> None:
        named = request.view_args or {}
        if parameter in named:
            keep_account(account_of(int(named[parameter])))
        elif "account_id" in named:
            keep_account(int(named["account_id"]))


def account_choices() -> list[tuple[str, str]]:
    """Return the accounts for a list to choose from, as (id, number and name), for the rooms that do not know money."""
    within = known_ids()
    known = queries.accounts(session=g.db, ids=within)
    rooted = known if within is None else [_rooted(one, within) for one in known]
    return [(str(key), name) for _kind, options in choices(rooted, g.at.date()) for key, name in options]


def account_names(ids: Collection[int]) -> dict[int, str]:
    """Return what accounts are called, number and name, of those that the person may know of, closed ones too."""
    within = known_ids()
    asked = set(ids) if within is None else set(ids) & set(within)
    return {key: label(one) for key, one in queries.accounts_by_id(session=g.db, ids=asked).items()}


def account_path(account_id: int) -> list[int]:
    """Return an account with all above it, the nearest first; raises NotFound."""
    path = [known_account(account_id).id]
    parents = {one.id: one.parent_id for one in queries.accounts(session=g.db)}
    while (above := parents.get(path[-1])) is not None and above not in path:
        path.append(above)
    return path


def _rooted(account: AccountView, within: Collection[int]) -> AccountView:
    """Return an account that does not tell of an account above it that is not shown."""
    return account if account.parent_id in within else replace(account, parent_id=None)
