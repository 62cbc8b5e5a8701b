"""sqlmap against every parameter of every call: address, question and body."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask

from tenants.office.policies.rules import WORKSPACE
from tests.attack.conftest import run
from tests.cast import Cast, Person

MARK = "*"
"""What sqlmap takes for the place to inject at."""
WORDS = ("--batch", "--disable-coloring", "--technique", "BEU", "--level", "1", "--risk", "1", "--flush-session")
FOUND = re.compile(r"identified the following injection point")
LEFT_OUT = {"changeMember", "leaveWorkspace", "removeMember", "removeWorkspace", "revokeToken", "setSecondFactor"}
"""They end the attack before it is over, or shut who attacks out."""
REFUSED_AT_ONCE = {"cursor", "fields"}
"""Beside them nothing else of a question is looked at: what is no cursor or no field of a list is refused first."""


def example(schema: dict[str, Any]) -> str:
    """Return a value that a parameter takes."""
    told = schema.get("examples") or [schema.get("default", "7")]
    return str(told[0])


def calls(app: Flask, person: Person) -> list[tuple[str, str, str, str]]:
    """Return (operation, method, address, body) of every call, each place to inject at marked."""
    assert person.workspace is not None
    told = app.test_client().get("/api/v1/openapi.json").get_json()
    found = []
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] in LEFT_OUT:
                continue
            address, questions = path, []
            for one in operation.get("parameters", []):
                value = example(one.get("schema", {}))
                if one["in"] == "path":
                    known = {"slug": person.workspace.slug, "store": WORKSPACE + MARK}
                    value = known.get(one["name"], value + MARK)
                    address = address.replace("{" + one["name"] + "}", value)
                elif one["in"] == "query" and one["name"] not in REFUSED_AT_ONCE:
                    # Each alone: beside one that is refused, nothing is looked up.
                    questions.append("?" + urlencode({one["name"]: value + MARK}, safe=MARK))
            kinds = operation.get("requestBody", {}).get("content", {})
            bodies = [one["value"] for one in kinds.get("application/json", {}).get("examples", {}).values()]
            body = json.dumps(marked(bodies[0])) if bodies else ""
            found += [
                (operation["operationId"], method.upper(), address + asked, body)
                for asked in questions or [""]
                if MARK in address + asked + body
            ]
    return found


def marked(value: Any) -> Any:
    """Mark every text and number of a body."""
    if isinstance(value, dict):
        return {name: marked(one) for name, one in value.items()}
    if isinstance(value, list):
        return [marked(one) for one in value[:1]]
    return value if isinstance(value, bool) or value is None else f"{value}{MARK}"


def test_the_attacker_finds_the_fault_that_is_there(broken: str, tmp_path: Path) -> None:
    said = run("sqlmap", "-u", f"{broken}/find?name=a", *WORDS, "--output-dir", str(tmp_path))
    assert FOUND.search(said), said[-2000:]


def test_no_call_takes_sql_or_breaks_under_it(cast: Cast, live: str, tmp_path: Path) -> None:
    alice = cast.alice
    headers = f"Authorization: Bearer {alice.token}\nContent-Type: application/json"
    before = len(alice.api("GET", "/accounts").get_json()["data"])
    asked, faults = 0, []
    for name, method, address, body in calls(cast.app, alice):
        words = ["-u", live + address, "--method", method, "--headers", headers, *WORDS]
        words += ["--preprocess", str(Path(__file__).parent / "keys.py"), "--output-dir", str(tmp_path / name)]
        words += ["--ignore-code", "400,401,403,404,405,409,412,415,422,428", *(["--data", body] if body else [])]
        said = run("sqlmap", *words)
        asked += len(re.findall(r"testing if .*parameter|does not seem to be injectable", said))
        if FOUND.search(said) or "500 (Internal Server Error)" in said:
            faults.append(f"{name}: {said[-1500:]}")
    assert asked > 100
    assert not faults, "\n".join(faults)
    assert len(alice.api("GET", "/accounts").get_json()["data"]) >= before
