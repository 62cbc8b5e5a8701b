"""What Prometheus reads, and that it can be read from the internal port only."""

import io
import socket
import urllib.request

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from tenants.money.dashboard import gauges
from tests.cast import Cast
from tests.hands import submit, work
from webapp.kernel.db import Database
from webapp.platform import metrics
from webapp.settings import Settings
from webapp.web.state import KEY


def scraped(app: Flask) -> str:
    """Scrape anew."""
    registry: CollectorRegistry = app.extensions["metrics"]
    return generate_latest(registry).decode()


def test_requests_are_counted_by_route_and_not_by_address(cast: Cast, app: Flask) -> None:
    cast.alice.api("GET", "/accounts")
    app.test_client().open("/no/such/page", method="BREW")
    text = scraped(app)
    assert 'comptoir_http_requests_total{method="GET",route="/api/v1/t/<slug>/accounts",status="200"}' in text
    assert 'comptoir_http_requests_total{method="other",route="unmatched"' in text
    timed = 'comptoir_http_request_duration_seconds_bucket{le="0.25",method="GET",route="/api/v1/t/<slug>/accounts"}'
    assert timed in text
    assert f'route="/api/v1/t/{cast.acme.slug}' not in text


def test_jobs_the_pool_and_the_books_are_gauges(cast: Cast, app: Flask) -> None:
    cast.alice.api("POST", "/accounts", json={"name": "Bank", "kind": "asset", "currency": "EUR"})
    registry = CollectorRegistry()
    registry.register(metrics._Asked(app.extensions[KEY].database, (lambda _database: [],)))
    text = generate_latest(registry).decode()
    assert 'comptoir_jobs{queue="mail",state="parked"}' in text
    assert 'comptoir_database_connections{state="in_use"}' in text
    assert abs(gauged(app, "comptoir_clock_moved_seconds")) < 30


def test_books_and_imports_are_gauges(
    cast: Cast, app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "TENANTS_MAX", 100_000)
    alice = cast.alice
    bank, food = (
        alice.api("POST", "/accounts", json={"name": name, "kind": kind, "currency": "EUR"}).json["id"]
        for name, kind in (("Bank", "asset"), ("Food", "expense"))
    )
    postings = [
        {"account_id": bank, "amount": "-3.00", "currency": "EUR"},
        {"account_id": food, "amount": "3.00", "currency": "EUR"},
    ]
    for _ in range(2):
        body = {"date": "2026-03-14", "description": "Market", "postings": postings}
        assert alice.api("POST", "/entries", json=body).status_code == 201
    work(settings, "imports.check")  # what other tests of this process left waiting
    before = gauged(app, 'comptoir_imports{state="review"}')
    file = (io.BytesIO(b"Date,Description,Amount\n2026-01-02,Shop,-5.00\n"), "statement.csv")
    data = {"account_id": str(bank), "file": file}
    assert alice.api("POST", "/imports", data=data, content_type="multipart/form-data").status_code == 202
    work(settings, "imports.check")
    assert gauged(app, f'comptoir_ledger_accounts{{workspace="{cast.acme.slug}"}}') >= 2
    assert gauged(app, f'comptoir_ledger_postings{{workspace="{cast.acme.slug}"}}') == 4
    assert gauged(app, f'comptoir_ledger_postings{{workspace="{cast.bravo.slug}"}}') == 0
    assert gauged(app, 'comptoir_imports{state="review"}') == before + 1


def test_waits_seals_migrations_decisions_and_sign_ins_are_told_without_naming_anybody(cast: Cast, app: Flask) -> None:
    cast.alice.api("GET", "/accounts")
    cast.carol.api("POST", "/accounts", json={"name": "Not hers", "kind": "asset", "currency": "EUR"})
    submit(app.test_client(), "/sign-in", "/sign-in", {"email": "nobody@example.com", "password": "not the right one"})
    text = scraped(app)
    for line in (
        'comptoir_job_oldest_wait_seconds{queue="imports"} ',
        "comptoir_audit_seal_lag_seconds ",
        'comptoir_migrations_behind{chain="platform"} 0.0',
        'comptoir_migrations_behind{chain="tenant"} ',
        'comptoir_workspaces{state="open"} ',
        'comptoir_decisions_total{outcome="permit"} ',
        'comptoir_decisions_total{outcome="deny"} ',
        'comptoir_sign_ins_total{outcome="refused"} ',
    ):
        assert f"\n{line}" in text, line
    assert "nobody@example.com" not in text


def gauged(app: Flask, name: str) -> float:
    """Read one gauge anew; 0 when nobody has one."""
    registry = CollectorRegistry()
    registry.register(metrics._Asked(app.extensions[KEY].database, (gauges.business_gauges,)))
    lines = [line for line in generate_latest(registry).decode().splitlines() if line.startswith(f"{name} ")]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


def test_a_database_that_is_away_is_asked_once_so_that_a_scrape_ends_in_time() -> None:
    asked: list[str] = []

    def reads(database: Database) -> list[Metric]:
        asked.append("again")
        with database.platform():
            return []

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    database = Database(f"postgresql+psycopg://comptoir@127.0.0.1:{port}/comptoir")
    registry = CollectorRegistry()
    registry.register(metrics._Asked(database, (reads, reads)))
    assert "comptoir_database_connections" in generate_latest(registry).decode()
    assert asked == [], "the first who asked was told that it is away"


def test_the_public_address_does_not_serve_them_and_the_internal_one_does(app: Flask) -> None:
    assert app.test_client().get("/metrics").status_code == 404
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    metrics.serve(app.extensions["metrics"], host="127.0.0.1", port=port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert b"comptoir_http_requests" in answer.read()
