"""Several statements in one trip to the server, by libpq's own pipeline."""

import select
from collections.abc import Sequence

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

BIND_SECONDS_MAX = 12
"""A unit of work begins at once, or waits for a lock or the pooler; a server that takes longer is stuck."""


def trip(pgconn: PGconn, statements: Sequence[bytes]) -> list[PGresult]:
    """Send statements, each one of its own, and return their results in order.

    Raises the driver's error of the first that failed; OperationalError where the server is gone or stuck.
    """
    pgconn.enter_pipeline_mode()
    for statement in statements:
        pgconn.send_query_params(statement, None)
    pgconn.pipeline_sync()
    results: list[PGresult] = []
    while True:
        _wait(pgconn)
        result = pgconn.get_result()
        if result is None:
            # libpq says so between two statements; a lost connection says nothing else any more.
            if pgconn.status == ConnStatus.BAD:
                raise psycopg.OperationalError("the connection to the database is lost")
        elif result.status == ExecStatus.PIPELINE_SYNC:
            break
        else:
            results.append(result)
    pgconn.exit_pipeline_mode()
    for result in results:
        if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
            raise error_from_result(result)
    return results


def _wait(pgconn: PGconn) -> None:
    """Wait until the next result is there. The driver's get_result() would wait too, but let no other thread run.

    A server that is stuck answers nothing while its machine still confirms what was sent: raises OperationalError.
    """
    if not pgconn.is_busy():
        return
    poll = select.poll()
    unsent = pgconn.flush()
    while pgconn.is_busy():
        poll.register(pgconn.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
        if not poll.poll(BIND_SECONDS_MAX * 1000):
            pgconn.finish()
            raise psycopg.OperationalError(f"the database did not answer for {BIND_SECONDS_MAX} seconds")
        pgconn.consume_input()
        unsent = pgconn.flush() if unsent else 0
