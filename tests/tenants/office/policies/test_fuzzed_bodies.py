"""Whatever a program sends to a decision point, it is answered or refused: never a failure of ours."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.office.policies.authzen import Malformed, read_batch, read_body, read_question, read_search, run_batch
from tests.cast import Cast
from tests.tenants.office.policies.conftest import make_store

names = st.sampled_from(
    ["subject", "action", "resource", "context", "evaluations", "options", "page", "properties", "type", "id", "name"]
)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
plain |= st.sampled_from(
    ["user", "alice", "read", "delete", "record", "record-1", "\ud800", "\0", "execute_all", "team"]
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner, max_size=5)
)
parties = st.fixed_dictionaries({"type": plain, "id": plain}, optional={"properties": values})
bodies = st.fixed_dictionaries(
    {},
    optional={
        "subject": parties | values,
        "resource": parties | values,
        "action": st.fixed_dictionaries({"name": plain}, optional={"properties": values}) | values,
        "context": values,
        "evaluations": st.lists(values, max_size=3) | values,
        "options": st.fixed_dictionaries({"evaluations_semantic": plain}) | values,
        "page": st.fixed_dictionaries({}, optional={"limit": plain, "token": plain}) | values,
    },
)
PATHS = ("evaluation", "evaluations", "search/subject", "search/resource", "search/action")
HOSTILE = [
    b"[" * 200_000,
    b'{"subject":' * 50_000,
    b'{"subject": {"type": "user", "id": "' + b"a" * 600 + b'"}}',
    b"\xff\xfe{}",
    json.dumps({"evaluations": [{}] * 1001}).encode(),
    b'{"subject": ' + b"9" * 5000 + b"}",
    b" " * (1024 * 1024 + 1),
]


@settings(max_examples=300, deadline=None)
@given(bodies)
def test_any_json_is_read_or_refused(body: dict[str, Any]):
    for read in (
        read_question,
        _run,
        *(lambda body, kind=kind: read_search(body, kind) for kind in ("subject", "action")),
    ):
        try:
            read(read_body(json.dumps(body).encode()))
        except Malformed as error:
            assert str(error)


def _run(body: dict[str, Any]) -> None:
    batch = read_batch(body)
    if batch is not None:
        assert run_batch(batch, lambda questions: [{"decision": False} for _one in questions])


def test_a_server_that_is_sent_anything_answers_with_no_failure_of_its_own(cast: Cast):
    store = make_store(cast.alice)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(bodies, st.sampled_from(PATHS))
    def send(body: dict[str, Any], path: str) -> None:
        answer = store.ask(path, body)
        assert answer.status_code in {200, 400}, answer.text

    send()
    for data in HOSTILE:
        for path in PATHS:
            assert store.ask(path, data).status_code in {400, 413}, data[:50]
