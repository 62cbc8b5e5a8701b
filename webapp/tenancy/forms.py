"""What an operator types to make a workspace."""

from collections.abc import Mapping
from dataclasses import dataclass

from webapp.identity.rules import is_email
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.kernel.money import currencies
from webapp.tenancy.rules import is_slug

NAME_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class WorkspaceDraft:
    """A workspace to make, and the address of its first owner."""

    slug: str
    name: str
    base_currency: str
    owner_email: str


def read_workspace(values: Mapping[str, str]) -> WorkspaceDraft:
    """Read the form.

    Raises Invalid (name, slug, base_currency, owner_email).
    """
    draft = WorkspaceDraft(
        slug=values["slug"].strip().lower(),
        name=values["name"].strip(),
        base_currency=values["base_currency"].strip().upper(),
        owner_email=values["owner_email"].strip(),
    )
    errors = []
    if not 0 < len(draft.name) <= NAME_LENGTH_MAX:
        errors.append(FieldError("name", "length", N_("A name has 1 to 200 characters.")))
    if not is_slug(draft.slug):
        errors.append(FieldError("slug", "slug", N_("Use lower case letters, digits and hyphens, a letter first.")))
    if draft.base_currency not in currencies():
        errors.append(FieldError("base_currency", "unknown_currency", N_("This is not an ISO 4217 currency code.")))
    if not is_email(draft.owner_email):
        errors.append(FieldError("owner_email", "email", N_("This is not an e-mail address.")))
    if errors:
        raise Invalid(errors=tuple(errors))
    return draft
