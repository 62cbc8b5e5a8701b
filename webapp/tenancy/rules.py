"""Pure rules of the registry."""

import re
import unicodedata

SLUG_LENGTH_MAX = 40
SLUG_PATTERN = "^[a-z][a-z0-9-]{0,39}$"
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)


def is_slug(text: str) -> bool:
    """Tell whether the text can be a workspace's short name: lower case letters, digits and hyphens, 40 at most."""
    return _SLUG.fullmatch(text) is not None


def slug_of(name: str) -> str:
    """Return a short name for a workspace's name, without accents; nothing when the name has no Latin letter."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", name).lower() if not unicodedata.combining(one))
    return re.sub(r"[^a-z0-9]+", "-", plain).lstrip("-0123456789")[:SLUG_LENGTH_MAX].rstrip("-")
