"""One request, one transaction: opened by a door, committed once before the answer leaves, never by a view."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from flask import Flask, Response, g
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.web.state import services

FAILED = 400

log = structlog.get_logger()


def open_unit() -> Session:
    """Open the request's transaction (once) and return it, unbound: it may nothing yet."""
    if "unit" not in g:
        g.unit = services().database.begin()
        g.db = g.unit.__enter__()
        g.db.info["trace"] = g.get("trace", "")
    session: Session = g.db
    return session


def close_unit(*, commit: bool) -> None:
    """End the request's transaction; after a commit the jobs that it queued are delivered."""
    unit: Any = g.pop("unit", None)
    if unit is None:
        return
    session: Session = g.pop("db")
    if commit:
        unit.__exit__(None, None, None)
        services().after_commit(session)
    else:
        unit.__exit__(_Refused, _Refused(), None)


def after_roll_back(act: Callable[[], None]) -> None:
    """Do something once the request's transaction was rolled back, such as to write down why; it opens its own."""
    g.setdefault("afterwards", []).append(act)


@contextmanager
def refusable() -> Iterator[None]:
    """Run a command that a form answers by itself when it is refused: nothing of a refused one stays.

    A refusal that came from the database has ended the transaction, and nothing could be read for the form any more;
    here it ends a savepoint only.
    """
    with g.db.begin_nested():
        yield


class _Refused(Exception):
    """Rolls the transaction back."""


def install(app: Flask) -> None:
    """Close the transaction of every request."""

    @app.after_request
    def commit_or_roll_back(response: Response) -> Response:
        try:
            close_unit(commit=response.status_code < FAILED)
        except _Refused:
            pass
        except DBAPIError as error:
            # A commit that failed is answered like any other failure; whether it took effect, a repeat tells.
            return app.make_response(app.handle_user_exception(error))
        for act in g.pop("afterwards", ()):
            try:
                act()
            except SQLAlchemyError as error:
                log.warning("unit.afterwards_failed", reason=str(error).splitlines()[0])
        return response

    @app.teardown_request
    def roll_back(_error: BaseException | None) -> None:
        try:
            close_unit(commit=False)
        except _Refused:
            pass
        finally:
            structlog.contextvars.clear_contextvars()
