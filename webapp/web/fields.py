"""What forms need to know of the person who fills them in."""

from collections.abc import Mapping
from types import MappingProxyType

from flask_babel import get_locale
from flask_babel import gettext as _

from webapp.kernel.errors import DomainError, Invalid
from webapp.web.problem import translate

NOWHERE: Mapping[str, str] = MappingProxyType({})


def field_errors(error: DomainError, *, places: Mapping[str, str] = NOWHERE) -> dict[str, str]:
    """Return translated messages by field; a refusal without fields stands where `places` puts its code, or `form`."""
    if isinstance(error, Invalid) and error.errors:
        return {item.field: translate(item.message, item.params) for item in reversed(error.errors)}
    place = places.get(error.code, "form")
    return {place: _(error.text, **error.params) if error.params else _(error.text)}


def decimal_sign() -> str:
    """Return the decimal sign of the reader's language, "." or ","."""
    locale = get_locale()
    sign = locale.number_symbols["latn"]["decimal"] if locale else "."
    return str(sign)
