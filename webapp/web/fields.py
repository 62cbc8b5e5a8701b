"""What forms need to know of the person who fills them in."""

from flask_babel import get_locale
from flask_babel import gettext as _

from webapp.kernel.errors import DomainError, Invalid
from webapp.web.problem import translate


def field_errors(error: DomainError) -> dict[str, str]:
    """Return translated messages by field; a refusal without fields stands under `form`."""
    if isinstance(error, Invalid) and error.errors:
        return {item.field: translate(item.message, item.params) for item in reversed(error.errors)}
    return {"form": _(error.text, **error.params) if error.params else _(error.text)}


def decimal_sign() -> str:
    """Return the decimal sign of the reader's language, "." or ","."""
    locale = get_locale()
    sign = locale.number_symbols["latn"]["decimal"] if locale else "."
    return str(sign)
