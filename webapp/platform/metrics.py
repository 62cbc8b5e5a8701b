"""`/metrics` for Prometheus, on an internal port: HTTP by route, jobs by queue, the pool, and what rooms add."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import structlog
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from webapp.jobs import queries as jobs
from webapp.jobs.blame import is_outage
from webapp.kernel.clock import utc_now
from webapp.kernel.db import Database

BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
KEPT_SECONDS = 10.0
"""What is asked of the database is kept so long, however often it is scraped."""

Gauges = Callable[[Database], Iterable[Metric]]
"""What a room adds: read from the database at a scrape, always bounded."""

log = structlog.get_logger()


class _Asked(Collector):
    """Gauges that are read when they are asked for."""

    def __init__(self, database: Database, more: Iterable[Gauges]) -> None:
        self._database = database
        self._sources = (_job_gauges, *more)
        self._lock = threading.Lock()
        self._kept: list[Metric] = []
        self._kept_at = float("-inf")
        self._began = _between_clocks()

    def describe(self) -> list[Metric]:
        """Name nothing beforehand, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the gauges, at most every ten seconds; a database that is away costs only its own gauges."""
        yield from _pool_gauges(self._database)
        yield GaugeMetricFamily(
            "comptoir_clock_moved_seconds",
            "How far the machine's clock was set forward since this process began",
            value=_between_clocks() - self._began,
        )
        with self._lock:
            if time.monotonic() - self._kept_at > KEPT_SECONDS:
                self._kept = list(self._read())
                self._kept_at = time.monotonic()
            yield from self._kept

    def _read(self) -> Iterator[Metric]:
        for source in self._sources:
            try:
                yield from list(source(self._database))
            except (SQLAlchemyError, RedisError) as error:
                log.warning("metrics.not_read", reason=str(error).splitlines()[0])
                if is_outage(error) or isinstance(error, PoolTimeoutError):
                    # One after the other they would wait for longer than a scrape may last, and web be taken for dead.
                    return


def _between_clocks() -> float:
    """Return how far the clock of the machine is from its steady time: it changes when the clock is set, only then."""
    return time.time() - time.monotonic()


def _pool_gauges(database: Database) -> Iterator[Metric]:
    pool: Any = database.engine.pool
    family = GaugeMetricFamily("comptoir_database_connections", "Connections of this process's pool", labels=["state"])
    family.add_metric(["size"], pool.size())
    family.add_metric(["in_use"], pool.checkedout())
    family.add_metric(["idle"], pool.checkedin())
    yield family


def _job_gauges(database: Database) -> Iterator[Metric]:
    family = GaugeMetricFamily("comptoir_jobs", "Jobs that wait, run or are parked", labels=["queue", "state"])
    with database.platform() as session:
        counted = jobs.counts(session=session)
        waits = jobs.oldest_waits(session=session, at=utc_now())
    oldest = GaugeMetricFamily(
        "comptoir_job_oldest_wait_seconds", "How long the oldest job that could run has waited", labels=["queue"]
    )
    for queue in ("default", "imports", "mail"):
        for state in ("queued", "running", "parked"):
            family.add_metric([queue, state], counted.get((queue, state), 0))
        oldest.add_metric([queue], waits.get(queue, 0.0))
    yield from (family, oldest)


def install(
    app: Flask, database: Database, more: Iterable[Gauges] = (), counters: Iterable[Collector] = ()
) -> CollectorRegistry:
    """Count every request of the application and return the registry; `more` are the rooms' gauges and `counters`."""
    registry = CollectorRegistry()
    for counter in counters:
        registry.register(counter)
    counted = Counter("comptoir_http_requests", "Requests answered", ["method", "route", "status"], registry=registry)
    timed = Histogram(
        "comptoir_http_request_duration_seconds",
        "Time until the answer was ready",
        ["method", "route"],
        buckets=BUCKETS_SECONDS,
        registry=registry,
    )
    registry.register(_Asked(database, more))

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unmatched"
        method = request.method if request.method in KNOWN_METHODS else "other"
        counted.labels(method, route, str(response.status_code)).inc()
        timed.labels(method, route).observe(time.perf_counter() - g.get("began", time.perf_counter()))
        return response

    return registry


KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Whoever makes up a method makes no new time series."""


def serve(registry: CollectorRegistry, *, host: str, port: int) -> None:
    """Answer `/metrics` from a thread on a port that only the operator's network reaches."""
    start_http_server(port, addr=host, registry=registry)
