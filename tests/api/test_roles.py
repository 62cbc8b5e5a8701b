"""The JSON API from its description, with a token of each role: never a failure, and every refusal is as described.

Each role calls its part of the operations, together all: who may what is compared by tests/webapp/access.
"""

from flask import Flask

from tests.api.conftest import Desk
from tests.api.prober import described, probe
from tests.api.test_description import by
from tests.cast import add_person
from tests.served import served
from webapp.access.permissions import Role

ROLES = [role for role in Role if role is not Role.OWNER]
FORBIDDEN, SERVER_ERROR = 403, 500
MADE = 50


def test_a_token_of_each_role_is_answered_as_described(answering: Flask, desk: Desk) -> None:
    names = [one["operationId"] for methods in desk.told["paths"].values() for one in methods.values()]
    people = [add_person(desk.workspace, role, f"{role.value}-{desk.workspace.slug}") for role in ROLES]
    keep = desk.keep() | {known for one in people for known in (str(one.id), one.token.split("_")[2])}
    found, asked, refused = {}, set(), set()
    with served(answering) as url:
        for number, person in enumerate(people):
            told = described(answering, desk.workspace.slug, *names[number :: len(people)])
            outcome = probe(told, url, token=person.token, keep=keep, **by("examples"))
            found |= {(ROLES[number].value, *one): said for one, said in outcome.found.items()}
            asked |= {name for name, status in outcome.answers if status < SERVER_ERROR}
            refused |= {ROLES[number] for _name, status in outcome.answers if status == FORBIDDEN}
    assert not found, "\n\n".join(f"{name}\n{said}" for name, said in found.items())
    assert len(asked) > MADE, "every operation that takes a body"
    assert refused >= {Role.AUDITOR, Role.CUSTOMER, Role.MEMBER, Role.TECHNICIAN}
