"""Pure rules of the registry."""

import re

SLUG_PATTERN = "^[a-z][a-z0-9-]{0,39}$"
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)


def is_slug(text: str) -> bool:
    """Tell whether the text can be a workspace's short name: lower case letters, digits and hyphens, 40 at most."""
    return _SLUG.fullmatch(text) is not None
