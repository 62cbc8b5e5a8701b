"""One trace of a request that queues a job: nginx, web, its statements and the worker, under one id."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.production.lines import Measured
from tests.production.stack import Stack, until

SECONDS = 120
"""One trace in ten is sent, and one is asked for five times a second."""

RECEIVER = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for one in sent.resource_spans:
            service = {said.key: said.value.string_value for said in one.resource.attributes}["service.name"]
            for span in (span for scope in one.scope_spans for span in scope.spans):
                told = {"service": service, "name": span.name, "trace": span.trace_id.hex()}
                print(json.dumps({**told, "id": span.span_id.hex(), "parent": span.parent_span_id.hex()}), flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("", 4318), Receiver).serve_forever()
"""


@pytest.fixture
def traced(stack: Stack) -> Iterator[str]:
    """Return a container that takes traces in the collector's place, while web and worker send them."""
    settings = stack.folder / ".production/product.env"
    before = settings.read_text()
    version = stack.setting("COMPTOIR_VERSION") or "0.1.0"
    name = f"{stack.project}-receiver"
    network = ("--network", f"{stack.project}_out", "--network-alias", "collector")
    stack.run(
        *("docker", "run", "-d", "--rm", "--name", name, *network),
        *("--entrypoint", "python", f"comptoir:{version}", "-c", RECEIVER),
    )
    try:
        settings.write_text(f"{before}COMPTOIR_OTLP_ENDPOINT=http://collector:4318\n")
        stack.compose("up", "-d", "--no-deps", "--wait", "web-blue", "worker")
        yield name
    finally:
        settings.write_text(before)
        stack.run("docker", "rm", "-f", name, check=False)
        stack.compose("up", "-d", "--no-deps", "--wait", "web-blue", "worker")


def spans(stack: Stack, receiver: str) -> dict[str, list[dict[str, Any]]]:
    """Return what was received, by trace."""
    found = defaultdict(list)
    for line in stack.run("docker", "logs", receiver).stdout.splitlines():
        found[json.loads(line)["trace"]].append(json.loads(line))
    return found


def roots(trace: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the spans whose parent is not there: of a trace that is still on its way there are several."""
    ids = {one["id"] for one in trace}
    return [one for one in trace if one["parent"] not in ids]


@pytest.mark.line("watching.traces")
def test_nginx_web_its_statements_and_the_job_are_told_under_one_id(stack: Stack, traced: str, measured: Measured):
    token = stack.token("acme", "owner@acme.example")
    asked = set()
    with stack.pool() as site:
        headers = {**dict(site.headers), "Authorization": f"Bearer {token}"}
        body = {"name": f"Bank {uuid4().hex}", "kind": "asset", "currency": "EUR"}
        made = site.request("POST", "/api/v1/t/acme/accounts", headers=headers, json=body)
        assert made.status == 201, made.data

        def is_whole() -> list[dict[str, Any]]:
            mark = uuid4().hex
            statement = f"Date,Payee,Description,Amount,Currency\n2026-03-02,{mark},One,-1.00,EUR\n".encode()
            fields = {"account_id": str(made.json()["id"]), "publish": "auto", "file": (f"{mark}.csv", statement)}
            answer = site.request("POST", "/api/v1/t/acme/imports", headers=headers, fields=fields)
            assert answer.status == 202, answer.data
            asked.add(answer.headers["X-Request-ID"])
            seen = spans(stack, traced)
            return next(
                (
                    trace
                    for number, trace in seen.items()
                    if number in asked
                    and {one["service"] for one in trace} == {"comptoir-web", "comptoir-worker"}
                    and len(roots(trace)) == 1
                ),
                [],
            )

        whole = until(is_whole, seconds=SECONDS, what="one trace with web and worker in it")
    (root,) = roots(whole)
    assert root["service"] == "comptoir-web"
    assert root["parent"] == root["trace"][16:], "nginx's own place in the trace"
    assert len([one for one in whole if one["name"].startswith(("SELECT", "INSERT"))]) > 2
    measured(f"{len(whole)} spans of web, PostgreSQL and worker under the id of nginx's log, after {len(asked)} tries")
