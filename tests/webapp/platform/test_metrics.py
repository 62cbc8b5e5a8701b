"""What Prometheus reads, and that it can be read from the internal port only."""

import socket
import urllib.request

from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest

from tests.cast import Cast
from webapp.platform import metrics
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


def test_the_public_address_does_not_serve_them_and_the_internal_one_does(app: Flask) -> None:
    assert app.test_client().get("/metrics").status_code == 404
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    metrics.serve(app.extensions["metrics"], host="127.0.0.1", port=port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert b"comptoir_http_requests" in answer.read()
