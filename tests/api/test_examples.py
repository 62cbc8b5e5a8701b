"""Every body that the description shows is one that the application takes."""

import json

import jsonschema_rs
import pytest
from flask import Flask
from pydantic import BaseModel

from tests.api.conftest import MULTIPART, Desk


def test_every_body_has_an_example_and_each_is_of_its_shape(app: Flask):
    told = app.test_client().get("/api/v1/openapi.json").get_json()
    taken = 0
    for methods in told["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                taken += 1
                assert content.get("examples"), f"{operation['operationId']} shows no example of what it takes"
                shape = {**content["schema"], "components": told["components"]}
                validator = jsonschema_rs.validator_for({"$schema": jsonschema_rs_draft(), **shape})
                for one in content["examples"].values():
                    wrong = [error.message for error in validator.iter_errors(one["value"])]
                    assert wrong == [], f"{operation['operationId']}: {json.dumps(one)}"
    assert taken >= 20


def jsonschema_rs_draft() -> str:
    """Name the draft that OpenAPI 3.1 builds on."""
    return "https://json-schema.org/draft/2020-12/schema"


def test_no_two_shapes_share_a_name(app: Flask):
    # The framework keeps shapes by name: the second of a name would silently replace the first.
    names: dict[str, set[str]] = {}
    told = app.test_client().get("/api/v1/openapi.json").get_json()["components"]["schemas"]
    waiting = [BaseModel]
    while waiting:
        for shape in waiting.pop().__subclasses__():
            waiting.append(shape)
            if shape.__module__.startswith(("tenants.", "webapp.")) and shape.__name__ in told:
                names.setdefault(shape.__name__, set()).add(shape.__module__)
    assert [name for name, modules in names.items() if len(modules) > 1] == []


IDS = {
    "editEntry": {"entry_id": 1},
    "changeAccount": {"account_id": 2},
    "captureHold": {"hold_id": 1},
    "reverseEntry": {"entry_id": 1},
}
VERSIONS = {"editEntry": '"v1"', "changeAccount": '"v1"'}


@pytest.mark.parametrize(
    "operation",
    ["postExchange", "editEntry", "changeAccount", "captureHold", "reverseEntry", "changeEntries", "closePeriod"],
)
def test_the_example_is_accepted(desk: Desk, operation: str):
    # `desk` has sent the examples of what opens and books; these are about what is there then.
    headers = {"If-Match": VERSIONS[operation]} if operation in VERSIONS else {}
    value = desk.examples(operation)[-1]
    answer = desk.send(operation, value, headers, **IDS.get(operation, {}))
    assert answer.status_code in {200, 201}, answer.text


def test_an_example_that_a_shape_does_not_take_would_be_seen(desk: Desk):
    told = desk.operation("createImport")[2]["requestBody"]["content"][MULTIPART]
    shape = {**told["schema"], "components": desk.told["components"], "$schema": jsonschema_rs_draft()}
    assert not jsonschema_rs.validator_for(shape).is_valid({"file": "x", "account_id": "one"})
