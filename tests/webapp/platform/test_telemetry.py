"""Traces: sent when an endpoint is set, and otherwise not even loaded."""

import json
import subprocess
import sys
import threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from sqlalchemy import Engine

from webapp.settings import Settings

ROOT = Path(__file__).parents[3]

TRACED = """
import json, sys
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


def run(code: str, *arguments: str) -> None:
    """Run code in a Python of its own: what it loads and sets is its own."""
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, timeout=60)


def test_requests_and_statements_are_traced_without_what_people_sent(settings: Settings, owner: Engine) -> None:
    heard: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.path.encode() + self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        run(TRACED, json.dumps({**asdict(settings), "otlp_endpoint": f"http://127.0.0.1:{server.server_port}"}))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    told = b"".join(heard)
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
