"""docs/security/attacks.md names tests that are there; bodies of the API take nothing but what they describe."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.house.test_asvs import functions_of

ROOT = Path(__file__).parents[2]
OPEN = {
    "MappingIn.mapping": "as it was read from the import; read by its own rules",
    "PolicyEntityIn.attributes": "what the tenant's own schema says",
    "PolicyImportIn.file": "an exported store; read by its own rules",
    "TrialAction.properties": "what the tenant's own schema says",
    "TrialIn.context": "what the tenant's own schema says",
    "TrialParty.properties": "what the tenant's own schema says",
    "UploadIn": "a form beside a file: only its named fields are read",
}
"""Parts of bodies that take names of the caller's choice; what is read of them is chosen by name."""


def test_every_attack_and_every_control_is_shown_by_tests_that_are_there() -> None:
    text = (ROOT / "docs" / "security" / "attacks.md").read_text(encoding="utf-8")
    found = [line for line in text.splitlines() if line.startswith("| ") and "`tests/" in line]
    named = re.findall(r"`(tests/[^`]+)::(\w+)`", text)
    assert len(found) >= 38
    assert [one for one in named if not (ROOT / one[0]).is_file() or one[1] not in functions_of(one[0])] == []
    controls = set(re.findall(r"^\| 5\.(\d+) ", text, re.MULTILINE))
    assert controls == {str(number) for number in range(1, 19)}


def test_every_body_refuses_what_it_does_not_describe() -> None:
    told = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    bodies = [
        content["schema"]
        for methods in told["paths"].values()
        for operation in methods.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    assert len(bodies) > 40
    assert {place for body in bodies for place in places_open(body, told["components"]["schemas"], "", set())} == set(
        OPEN
    )


def places_open(shape: dict[str, Any], named: dict[str, Any], place: str, seen: set[str]) -> Iterator[str]:
    """Yield the places of a shape that take fields which are not described."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from places_open(named[name], named, name, seen | {name})
        return
    if (shape.get("type") == "object" or "properties" in shape) and shape.get(
        "additionalProperties", True
    ) is not False:
        yield place
    inner = [(f"{place}.{name}", one) for name, one in shape.get("properties", {}).items()]
    inner += [(place, one) for kind in ("anyOf", "oneOf", "allOf") for one in shape.get(kind, ())]
    inner += [(f"{place}[]", shape["items"])] if "items" in shape else []
    for at, one in inner:
        yield from places_open(one, named, at, seen)
