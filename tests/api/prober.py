"""Tries the JSON API from its own description: examples, edges of every schema, made-up calls, calls in sequence.

The application answers as it does for users, behind its web server on this machine, on real PostgreSQL and Valkey.
"""

import copy
import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import schemathesis
from flask import Flask
from pydantic_core import core_schema
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SHAPE_CODES = frozenset(get_args(core_schema.ErrorType)) | {"day", "instant", "unknown_field"}
"""Codes of refusals that the description could have foretold."""
CHECKS = frozenset(
    {
        "allow_header_conformance",
        "content_type_conformance",
        "ensure_resource_availability",
        "ignored_auth",
        "missing_required_header",
        "negative_data_rejection",
        "not_a_server_error",
        "object_level_authorization",
        "positive_data_acceptance",
        "response_headers_conformance",
        "response_schema_conformance",
        "status_code_conformance",
        "unsupported_method",
        "use_after_free",
    }
)
"""Every check that a run makes."""
NEEDED_BY_THE_DOMAIN = {("missing", "Give the amount that arrives, or the rate.")}
"""Refusals that only share a code with those of shapes."""
REJECTED = "Schema-valid request rejected"
ANSWER_LENGTH_MAX = 1500

Watcher = Callable[[Case, Response], None]


@dataclass(slots=True)
class Outcome:
    """What a run did and found."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answers by operation and status."""
    checks: Counter[str] = field(default_factory=Counter)
    """Checks that were made, by name."""
    phases: Counter[str] = field(default_factory=Counter)
    """Calls by phase."""
    found: dict[tuple[str, str], str] = field(default_factory=dict)
    """Operation and kind of finding to its first example."""

    def report(self) -> str:
        """Write what was found."""
        return "\n\n".join(f"{operation}: {kind}\n{example}" for (operation, kind), example in self.found.items())

    def statuses(self, operation: str) -> set[int]:
        """Return the statuses that an operation answered."""
        return {status for name, status in self.answers if name == operation}


def described(app: Flask, slug: str, *operations: str) -> dict[str, Any]:
    """Return the description, with the one workspace that is tried as the only value of its parameter.

    When operations are named, the others are left out.
    """
    told = copy.deepcopy(app.test_client().get("/api/v1/openapi.json").get_json())
    _keep_the_way_in(told)
    for path, methods in list(told["paths"].items()):
        for method, operation in list(methods.items()):
            if operations and operation["operationId"] not in operations:
                del methods[method]
        if not methods:
            del told["paths"][path]
    only(told, "slug", [slug])
    return dict(told)


def _keep_the_way_in(told: dict[str, Any]) -> None:
    """Ask no second factor of owners: from then on the run's own token, whose person has none, would be refused."""
    taken = told["paths"]["/api/v1/t/{slug}/second-factor"]["put"]["requestBody"]["content"]["application/json"]
    for example in taken["examples"].values():
        example["value"] = {"roles": ["accountant"]}
    shape = told["components"]["schemas"][taken["schema"]["$ref"].rpartition("/")[2]]
    shape["properties"]["roles"]["examples"] = [["accountant"]]


def only(told: dict[str, Any], name: str, values: list[Any]) -> None:
    """Let a parameter of addresses have these values alone."""
    for methods in told["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["name"] == name and parameter["in"] == "path":
                    parameter["schema"] = {"type": parameter["schema"]["type"], "enum": values}


def probe(
    told: dict[str, Any],
    url: str,
    *,
    token: str,
    keep: frozenset[str] = frozenset(),
    watcher: Watcher | None = None,
    **settings: Any,
) -> Outcome:
    """Run every phase over every described operation with a token and return what was found.

    `keep` are ids in addresses that are only read: the token and the member that the run itself stands on.
    `watcher` sees every call with its answer; `settings` replace what the configuration says.
    """
    written = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8")) | settings
    written |= {"base-url": url, "auth": {"openapi": {"token": {"bearer": token}}}}
    schema = schemathesis.openapi.from_dict(told, config=SchemathesisConfig.from_dict(written))
    schema.hook("filter_failure")(is_finding)

    @schema.hook("filter_case")
    def leave(_context: HookContext, case: Case) -> bool:
        return case.method == "GET" or not keep & set(map(str, (case.path_parameters or {}).values()))

    outcome = Outcome()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _note(outcome, event, watcher)
        elif isinstance(event, events.NonFatalError):
            outcome.found.setdefault((event.label, event.info.title), event.info.format())
        elif isinstance(event, events.FatalError):
            raise event.exception
    return outcome


def is_finding(_context: HookContext, failure: Failure, _case: Case, response: Response) -> bool:
    """Tell a finding from a refusal that no schema can foretell: an unbalanced entry, an unknown account, a cursor.

    Such a refusal names codes of the domain. One that names the shape of a field contradicts the description.
    """
    if failure.title != REJECTED:
        return True
    return any(
        error["code"] in SHAPE_CODES and (error["code"], error["detail"]) not in NEEDED_BY_THE_DOMAIN
        for error in response.json().get("errors", ())
    )


def _note(outcome: Outcome, event: events.ScenarioFinished, watcher: Watcher | None) -> None:
    recorder = event.recorder
    for case_id, node in recorder.cases.items():
        label = node.value.operation.label
        outcome.phases[event.phase.value] += 1
        interaction = recorder.interactions.get(case_id)
        response = interaction.response if interaction else None
        if response is not None:
            outcome.answers[label, response.status_code] += 1
            if watcher is not None:
                watcher(node.value, response)
        for check in recorder.checks.get(case_id, ()):
            outcome.checks[check.name] += 1
            if check.status == Status.FAILURE and check.failure_info is not None:
                failure = check.failure_info.failure
                answer = response.text[:ANSWER_LENGTH_MAX] if response is not None else ""
                example = f"{failure.message}\n{check.failure_info.code_sample}\n{answer}"
                outcome.found.setdefault((label, failure.title), example)
