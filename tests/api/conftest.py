"""A workspace in which every example of the description can be tried, and the application as it answers users."""

import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.cast import Person, Workspace, make_workspace

MULTIPART = "multipart/form-data"
BEGINNING = [
    ("openAccount", {}),
    ("postEntry", {}),
    ("postEntries", {}),
    ("placeHold", {}),
    ("createImport", {}),
    ("saveView", {}),
    ("invite", {}),
    ("createToken", {}),
]
"""What fills a workspace: the examples of these operations, in this order."""
DOLLARS = {"name": "Dollars", "kind": "asset", "currency": "USD"}


@dataclass(slots=True)
class Desk:
    """A workspace with one owner, who calls what the description names."""

    workspace: Workspace
    told: dict[str, Any]

    @property
    def owner(self) -> Person:
        return self.workspace.owner

    def keep(self) -> frozenset[str]:
        """Return the ids that a run stands on: of its own token, and of the member whose it is."""
        return frozenset({self.owner.token.split("_")[2], str(self.owner.id)})

    def operation(self, name: str) -> tuple[str, str, dict[str, Any]]:
        """Return path, method and description of an operation."""
        return next(
            (path, method, operation)
            for path, methods in self.told["paths"].items()
            for method, operation in methods.items()
            if operation["operationId"] == name
        )

    def examples(self, name: str) -> list[Any]:
        """Return the examples of what an operation takes."""
        contents = self.operation(name)[2].get("requestBody", {}).get("content", {}).values()
        return [one["value"] for content in contents for one in content["examples"].values()]

    def send(self, operation: str, value: Any, headers: dict[str, str] | None = None, **ids: Any) -> Any:
        """Call an operation with a body, as its description says."""
        path, method, told = self.operation(operation)
        path = path.removeprefix("/api/v1/t/{slug}").format(**ids)
        kinds = told.get("requestBody", {}).get("content", {})
        kwargs: dict[str, Any] = {"json": value} if value is not None else {}
        if MULTIPART in kinds:
            form = {**value, "file": (io.BytesIO(value["file"].encode()), "statement.csv")}
            kwargs = {"data": form, "content_type": MULTIPART}
        key = {"Idempotency-Key": secrets.token_hex(8)}
        return self.owner.api(method.upper(), path, headers=key | (headers or {}), **kwargs)


@pytest.fixture(scope="module")
def answering(app: Flask, owner: Engine) -> Iterator[Flask]:
    """Return the application as it answers users: what it did not anticipate is a 500 and not raised.

    Jobs that were asked for are dropped at the end, so that no other test has to do them.
    """
    app.config["RAISE_UNEXPECTED"] = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield app
    app.config["RAISE_UNEXPECTED"] = True
    app.config["PROPAGATE_EXCEPTIONS"] = None
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM platform.job WHERE state = 'queued'"))


@pytest.fixture
def desk(app: Flask, owner: Engine) -> Desk:
    """Return a fresh workspace, filled with what the examples of the description say."""
    workspace = make_workspace(app, owner, f"desk-{secrets.token_hex(6)}", {"owner": "alice"})
    made = Desk(workspace, app.test_client().get("/api/v1/openapi.json").get_json())
    for name, ids in BEGINNING:
        for value in made.examples(name):
            answer = made.send(name, value, **ids)
            assert answer.status_code in {201, 202}, f"{name}: {answer.text}"
        if name == "openAccount":
            assert made.send(name, DOLLARS).status_code == 201
    return made
