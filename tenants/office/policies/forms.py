"""Forms of policy stores: text to values, errors at the field."""

import json
from collections.abc import Mapping
from typing import Any

from tenants.office.policies.commands import StoreSettings
from tenants.office.policies.rules import NAME_CHARS_MAX, TYPE_CHARS_MAX, Entity, Party, Question
from webapp.kernel.errors import N_, FieldError, Invalid

NUMBER_DIGITS_MAX = 4
NO_OBJECT = N_("Write a JSON object, for example {“role”: “admin”}.")


def read_settings(form: Mapping[str, str]) -> StoreSettings:
    """Read name and settings; what is no number is out of every range."""
    return StoreSettings(
        _text(form, "name"), form.get("four_eyes") == "1", _number(form, "log_percent"), _number(form, "log_days")
    )


def read_trial(form: Mapping[str, str]) -> Question:
    """Read a request to try; raises Invalid at the field."""
    errors: list[FieldError] = []
    texts = {}
    for name, most in (
        ("subject_type", TYPE_CHARS_MAX),
        ("subject_id", NAME_CHARS_MAX),
        ("action", TYPE_CHARS_MAX),
        ("resource_type", TYPE_CHARS_MAX),
        ("resource_id", NAME_CHARS_MAX),
    ):
        texts[name] = _text(form, name)
        if not 1 <= len(texts[name]) <= most:
            message = N_("Write 1 to %(most)d characters.")
            errors.append(FieldError(name, "length", message, {"most": most}))
    told = {
        name: _object(form, name, errors)
        for name in ("subject_properties", "action_properties", "resource_properties", "context")
    }
    if errors:
        raise Invalid(errors=tuple(errors))
    return Question(
        Party(texts["subject_type"], texts["subject_id"], told["subject_properties"]),
        texts["action"],
        Party(texts["resource_type"], texts["resource_id"], told["resource_properties"]),
        told["action_properties"],
        told["context"],
    )


def read_entities(form: Mapping[str, str]) -> list[Entity]:
    """Read a JSON list of entities; raises Invalid (entities)."""
    try:
        listed = json.loads(form.get("entities", ""))
        return [_entity(one) for one in listed]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = N_("Write a JSON list of entities: type and id, if needed attributes and parents.")
        raise Invalid(errors=(FieldError("entities", "json", message),)) from error


def _entity(one: Any) -> Entity:
    kind, name, attributes = one["type"], one["id"], one.get("attributes", {})
    parents = tuple((parent["type"], parent["id"]) for parent in one.get("parents", []))
    if not all(isinstance(part, str) for part in (kind, name, *(part for parent in parents for part in parent))):
        raise TypeError(one)
    if not isinstance(attributes, dict):
        raise TypeError(attributes)
    return Entity(kind, name, attributes, parents)


def read_file(data: bytes) -> dict[str, Any]:
    """Read an exported store; raises Invalid (file)."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Invalid(errors=(FieldError("file", "json", N_("This file is no policy store that was exported here.")),))
    return found


def _object(form: Mapping[str, str], name: str, errors: list[FieldError]) -> dict[str, Any]:
    text = form.get(name, "").strip()
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    errors.append(FieldError(name, "json", NO_OBJECT))
    return {}


def _text(form: Mapping[str, str], name: str) -> str:
    return form.get(name, "").replace("\0", "").strip()


def _number(form: Mapping[str, str], name: str) -> int:
    text = form.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else -1
