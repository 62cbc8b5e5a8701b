"""What is told of a body or a query that has not the described shape, in words that can be translated."""

from typing import Any

from pydantic import ValidationError

from webapp.kernel.errors import N_, FieldError

ERRORS_MAX = 100
"""So many fields are named at most."""

_OBJECT, _LIST, _TEXT = N_("This must be an object."), N_("This must be a list."), N_("This must be text.")
_WHOLE, _TRUTH, _UUID = N_("This must be a whole number."), N_("This must be true or false."), N_("This is not a UUID.")
_AT_LEAST, _AT_MOST = N_("This must be at least %(limit)s."), N_("This must be at most %(limit)s.")
MESSAGES = {
    "missing": N_("This is needed."),
    "extra_forbidden": N_("This field is not known here."),
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "string_too_short": N_("This must have at least %(limit)s characters."),
    "string_too_long": N_("This must have at most %(limit)s characters."),
    "string_pattern_mismatch": N_("This is not of the form %(limit)s."),
    "too_short": N_("This must have at least %(limit)s items."),
    "too_long": N_("This must have at most %(limit)s items."),
    "greater_than_equal": _AT_LEAST,
    "less_than_equal": _AT_MOST,
    "enum": N_("This must be one of %(limit)s."),
    "literal_error": N_("This must be one of %(limit)s."),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "uuid_type": _UUID,
    "uuid_parsing": _UUID,
    "list_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "day": N_("This is not a day of the calendar, written YYYY-MM-DD."),
    "instant": N_("This is not an instant, written like 2026-11-20T12:00:00Z."),
    "unknown_field": N_("There is no field “%(limit)s”."),
    "not_expandable": N_("“%(limit)s” cannot be expanded."),
    "not_offered": N_("This call does not take “%(limit)s”."),
}
"""A kind of error to its message; `limit` is what was asked for. A kind that is not here keeps its English words."""
LIMITS = ("min_length", "max_length", "pattern", "ge", "le", "expected", "name")


def shape_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """Return what is wrong, field by field, with messages to be translated."""
    return tuple(_told(item) for item in error.errors(include_url=False, include_input=False)[:ERRORS_MAX])


def _told(item: Any) -> FieldError:
    kind, context = item["type"], item.get("ctx", {})
    field = "/".join(str(part) for part in item["loc"]) or str(context.get("name", ""))
    message = MESSAGES.get(kind)
    if message is None:
        return FieldError(field, kind, "%(words)s", {"words": item["msg"]})
    limit = next((context[name] for name in LIMITS if name in context), None)
    return FieldError(field, kind, message, {} if limit is None else {"limit": limit})
