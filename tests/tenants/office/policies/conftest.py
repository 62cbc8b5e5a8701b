"""Policy stores for tests, made over the product's own API."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tenants.demo import certification
from tests.cast import Cast, Person


@dataclass(frozen=True, slots=True)
class Store:
    """A store of a workspace, and how another system asks it."""

    person: Person
    slug: str

    @property
    def base(self) -> str:
        """Return the address of its decision point."""
        assert self.person.workspace is not None
        return f"/t/{self.person.workspace.slug}/access/{self.slug}"

    def ask(self, path: str, body: Any, **headers: str) -> Any:
        """Ask the decision point as a program does; `body` may be bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.person.token}", "Content-Type": "application/json"} | headers
        return self.person.app.test_client().post(f"{self.base}/access/v1/{path}", data=data, headers=sent)

    def api(self, method: str, path: str = "", **kwargs: Any) -> Any:
        """Call the JSON API below the store."""
        return self.person.api(method, f"/policy-stores/{self.slug}{path}", **kwargs)

    def draft(self, policies: str, schema: str = certification.SCHEMA, **more: Any) -> Any:
        """Write the draft."""
        return self.api("PUT", "/draft", json={"schema_text": schema, "policies": policies, **more})


def make_store(person: Person, slug: str = certification.SLUG) -> Store:
    """Make the certification's store through the API: store, draft, entities, activation."""
    store = Store(person, slug)
    made = person.api("POST", "/policy-stores", json={"slug": slug, "name": "Certification"})
    assert made.status_code == 201, made.text
    draft = store.draft(certification.POLICIES)
    assert draft.status_code == 200, draft.text
    put = [
        {
            "type": one.type,
            "id": one.id,
            "attributes": dict(one.attributes),
            "parents": [{"type": kind, "id": name} for kind, name in one.parents],
        }
        for one in certification.ENTITIES
    ]
    kept = store.api("POST", "/entities", json={"put": put})
    assert kept.json == {"entities": len(put)}, kept.text
    active = store.api("POST", f"/versions/{draft.json['number']}/activation", json={})
    assert active.status_code == 200, active.text
    return store


@pytest.fixture
def store(cast: Cast) -> Store:
    """Return the certification's store in Acme, asked by Alice."""
    return make_store(cast.alice)
