"""What accounts are called: those of the product itself in the reader's language, until a person renames them."""

from collections.abc import Iterable
from dataclasses import replace

from flask_babel import gettext as _

from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import PURPOSE_NAMES, Purpose, stored_name


def is_ours(account: AccountView) -> bool:
    """Tell whether an account still bears the name that the product gave it."""
    return account.purpose is not None and account.name == stored_name(Purpose(account.purpose), account.currency)


def spoken_name(account: AccountView) -> str:
    """Return the name of an account as the reader knows it."""
    if not is_ours(account):
        return account.name
    return f"{_(PURPOSE_NAMES[Purpose(account.purpose or '')])} ({account.currency})"


def spoken(account: AccountView) -> AccountView:
    """Return an account with its name in the reader's language."""
    return replace(account, name=spoken_name(account)) if is_ours(account) else account


def by_id(accounts: Iterable[AccountView]) -> dict[int, AccountView]:
    """Return accounts by id, their names in the reader's language."""
    return {one.id: spoken(one) for one in accounts}
