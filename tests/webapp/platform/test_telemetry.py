"""Traces: sent when an endpoint is set, and otherwise not even loaded."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from sqlalchemy import Engine

from webapp.settings import Settings

ROOT = Path(__file__).parents[3]

TRACED = """
import json, sys

class Image:
    def find_spec(self, name, path=None, target=None):
        if name in sys.argv[2].split():
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Image())
from opentelemetry import trace
from webapp.app import create_app
from webapp.settings import Settings
app = create_app(Settings(**json.loads(sys.argv[1])))
app.test_client().get("/sign-in?secret=do-not-tell")
app.test_client().get("/invitations/do-not-tell")
client = app.test_client()
client.set_cookie("comptoir", "do-not-tell")
client.get("/profile")
trace.get_tracer_provider().force_flush()
"""


REQUEST_ID = "ab" * 16
"""What nginx writes into its access log; its trace goes by the same name."""

QUEUED = """
import json, sys
from datetime import UTC, datetime
from uuid import uuid4
from opentelemetry import trace
from webapp.app import create_app
from webapp.jobs import commands
from webapp.kernel.actor import Actor
from webapp.kernel.db import bind_platform
from webapp.settings import Settings
from webapp.web.unit import open_unit
app = create_app(Settings(**json.loads(sys.argv[1])))

def queue():
    bind_platform(session := open_unit())
    for arguments in ({}, {"falls": "1"}):
        commands.enqueue(session=session, actor=Actor.system("test"), at=datetime.now(UTC),
            job_id=uuid4(), kind="traced", arguments=arguments)
    return ""

app.add_url_rule("/queue-jobs", view_func=queue)
client = app.test_client()
assert client.get("/queue-jobs", headers={"traceparent": sys.argv[2]}).status_code == 200
unsampled = {"traceparent": sys.argv[2].replace("-01", "-00").replace("ab", "cd")}
assert client.get("/sign-in", headers=unsampled).status_code == 200
trace.get_tracer_provider().force_flush()
"""

WORKED = """
import json, sys
from sqlalchemy import text
from webapp import worker
from webapp.settings import Settings

def traced(context):
    with context.begin() as session:
        session.execute(text("SELECT 'asked by the job'"))
    if context.arguments:
        raise LookupError("do-not-tell")

worker.prepare(Settings(**json.loads(sys.argv[1])))
worker.handlers = lambda: {"traced": traced}
with worker.process["database"].platform() as session:
    ids = session.scalars(text("SELECT id FROM job WHERE kind = 'traced' AND state = 'queued'")).all()
for job_id in ids:
    worker.perform(str(job_id))
with worker.process["database"].platform() as session:
    session.execute(text("DELETE FROM job WHERE kind = 'traced'"))
worker.release()
"""


def run(code: str, *arguments: str) -> None:
    """Run code in a Python of its own: what it loads and sets is its own."""
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, timeout=60)


@pytest.fixture
def heard(settings: Settings) -> Iterator[tuple[str, list[bytes]]]:
    """Collect traces: settings that send them here, and what was sent."""
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.path.encode() + b" " + self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield (
            json.dumps(
                {**asdict(settings), "otlp_endpoint": f"http://127.0.0.1:{server.server_port}", "trace_percent": 100}
            ),
            bodies,
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def not_in_the_image() -> list[str]:
    """Return the modules that are here, for the tests' sake, and not where the product runs."""
    lock = (ROOT / "ops/image/requirements.lock").read_text(encoding="utf-8")
    locked = {"comptoir", *re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    there = packages_distributions().items()
    return [module for module, owners in there if not {one.lower().replace("_", "-") for one in owners} & locked]


def spans(bodies: list[bytes]) -> list[tuple[str, Span]]:
    """Return the spans that were sent, each with the name of the process that it is of."""
    found = []
    for body in bodies:
        for sent in ExportTraceServiceRequest.FromString(body.partition(b" ")[2]).resource_spans:
            (service,) = [one.value.string_value for one in sent.resource.attributes if one.key == "service.name"]
            found += [(service, span) for scope in sent.scope_spans for span in scope.spans]
    return found


def about(span: Span) -> dict[str, str]:
    """Return the attributes of a span that are text."""
    return {one.key: one.value.string_value for one in span.attributes}


def test_a_job_is_traced_as_a_part_of_the_request_that_queued_it(heard: tuple[str, list[bytes]], owner: Engine) -> None:
    settings, bodies = heard
    run(QUEUED, settings, f"00-{REQUEST_ID}-{REQUEST_ID[16:]}-01")
    run(WORKED, settings)
    found = spans(bodies)
    (request,) = [span for service, span in found if service == "comptoir-web" and "/queue-jobs" in span.name]
    jobs = [span for service, span in found if service == "comptoir-worker" and span.name == "job traced"]
    assert request.trace_id.hex() == REQUEST_ID, "web goes on with the trace that nginx began"
    assert not [span for _service, span in found if span.trace_id.hex() == "cd" * 16], "what nginx did not sample"
    statements = [span for service, span in found if service == "comptoir-web" and "db.statement" in about(span)]
    assert request.trace_id in {span.trace_id for span in statements}
    assert len(jobs) == 2
    for job in jobs:
        assert (job.trace_id, job.parent_span_id) == (request.trace_id, request.span_id)
        assert about(job)["job.kind"] == "traced"
        assert about(job)["job.attempt"] == "1"
        inside = [span for _service, span in found if span.parent_span_id == job.span_id]
        assert any("asked by the job" in about(span).get("db.statement", "") for span in inside), "statements are parts"
    outcomes = {about(job)["job.outcome"]: job.status.code for job in jobs}
    assert outcomes == {"done": Status.STATUS_CODE_UNSET, "failed": Status.STATUS_CODE_ERROR}
    assert b"do-not-tell" not in b"".join(bodies)


def test_requests_and_statements_are_traced_in_the_image_without_what_people_sent(
    heard: tuple[str, list[bytes]], owner: Engine
) -> None:
    settings, bodies = heard
    run(TRACED, settings, " ".join(not_in_the_image()))
    told = b"".join(bodies)
    assert told.startswith(b"/v1/traces")
    assert b"comptoir-web" in told
    assert b"/sign-in" in told
    assert b"SELECT" in told
    at = told.find(b"do-not-tell")
    assert at < 0, told[at - 120 : at + 60]


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    run(
        "import sys, webapp.app, webapp.worker\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry.sdk.trace',"
        " 'opentelemetry.instrumentation', 'opentelemetry.exporter'))]"
    )
