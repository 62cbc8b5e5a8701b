"""Every page and every call, asked by every role: refused where the committed matrix says so, and nowhere else."""

import re
from functools import cache
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.cast import make_workspace
from tests.matrix import FILE
from tests.webapp.tenancy.routes import Call, Caller, calls
from webapp.access.permissions import Permission, Role

SEE_OTHER, FORBIDDEN, NOT_FOUND, FIRST_SERVER_ERROR = 303, 403, 404, 500
ENDS = {Permission.WORKSPACE_WORKSPACE_REMOVE}
"""What would end the workspace before every call was made; its refusals are asked all the same."""
NOWHERE = {"int": "999999999", "uuid": str(UUID(int=7)), "string": "nowhere"}


@cache
def committed() -> dict[str, set[str]]:
    """Return the roles that the matrix permits each permission."""
    head, *lines = FILE.read_text(encoding="utf-8").splitlines()
    roles = head.split()[2:]
    return {
        name: {role for role, cell in zip(roles, cells, strict=True) if cell == "yes"}
        for name, kind, *cells in map(str.split, lines)
        if kind == "Workspace"
    }


def address(call: Call, slug: str) -> str:
    """Return an address of the call under which nothing is found."""

    def nothing(match: re.Match[str]) -> str:
        kind = (match[1] or "string:").removesuffix(":")
        if match[2] == "slug":
            return slug
        return kind[4:-1].split(",")[0].strip(" '\"") if kind.startswith("any(") else NOWHERE.get(kind, "nowhere")

    return re.sub(r"<((?:[^:<>]|\([^)]*\))+:)?([^<>]+)>", nothing, call.rule.rule)


@pytest.mark.parametrize("role", Role)
def test_every_route_is_refused_and_permitted_as_the_matrix_says(app: Flask, owner: Engine, role: Role) -> None:
    acme = make_workspace(app, owner, f"route-{role.value}", {role.value: "robin", "owner": "alice"})
    bravo = make_workspace(app, owner, f"other-{role.value}", {"owner": "mallory"})
    robin, mallory = Caller(acme.people[role.value]), Caller(bravo.owner)
    wrong, asked = [], 0
    for call in calls(app):
        view = app.view_functions[call.rule.endpoint]
        permission: Permission | None = getattr(view, "permission", None)
        if permission is None:
            continue  # A page of the platform or for everyone, as it declares.
        asked += 1
        permitted = role.value in committed()[permission.value]
        path = address(call, acme.slug)
        if not (permitted and permission in ENDS):
            answer = robin.call(call, path, body={} if "/access/v1/" in path else None).status_code
            led_on = answer == SEE_OTHER and call.rule.rule == "/t/<slug>/"
            if ((answer == FORBIDDEN) == permitted and not led_on) or answer >= FIRST_SERVER_ERROR:
                wrong.append(f"{call} ({permission.value}) is answered {answer} to {role.value}")
        if role is Role.OWNER and (answer := mallory.call(call, path).status_code) != NOT_FOUND:
            wrong.append(f"{call} is answered {answer} to another workspace's owner")
    assert wrong == []
    assert asked > 150
