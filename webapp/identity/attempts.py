"""The doors' side of the lock-out: each attempt is counted, judged and told in transactions of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import g
from prometheus_client import Counter

from webapp.identity import lockout
from webapp.identity.door import anonymous
from webapp.identity.lockout import TELL_LOCKED, Attempt, TooManyAttempts
from webapp.identity.passwords import SignInRefused
from webapp.jobs.commands import enqueue
from webapp.kernel.ids import new_id
from webapp.web.limits import network
from webapp.web.state import services

LOCKS = Counter("comptoir_sign_in_locks", "Locks that failed sign-ins set", ["limit"], registry=None)
SIGN_INS = Counter(
    "comptoir_sign_ins",
    "Passwords and codes that were tried, at a sign-in or a confirmation",
    ["outcome"],
    registry=None,
)


@contextmanager
def guessing(email: str, *, device: str = "") -> Iterator[Attempt]:
    """Count an attempt on an account, existing or not, before what is inside compares a secret.

    `device` is the mark of a browser that the account knows. A SignInRefused inside is a failure, any other refusal is
    no attempt, and what passes begins anew. Raises TooManyAttempts, and what is raised inside.
    """
    database, at = services().database, services().clock()
    try:
        with database.platform() as session:
            attempt = lockout.count_attempt(
                session=session,
                at=at,
                email=email,
                network=network(),
                device=device,
                network_failures_max=services().settings.sign_in_failures_per_network,
            )
    except TooManyAttempts:
        SIGN_INS.labels("locked").inc()
        raise
    try:
        yield attempt
    except SignInRefused:
        SIGN_INS.labels("refused").inc()
        if attempt.locks:
            _tell(attempt)
        raise
    except Exception:
        with database.platform() as session:
            lockout.give_back(session=session, at=at, attempt=attempt)
        raise
    with database.platform() as session:
        lockout.forgive(session=session, at=at, attempt=attempt)
    SIGN_INS.labels("passed").inc()


def _tell(attempt: Attempt) -> None:
    """Note what was locked; whether there is a person to be told, a job finds out, so that no answer takes longer."""
    at, actor = services().clock(), g.get("actor") or anonymous("session")
    with services().database.platform() as session:
        lockout.note_locks(session=session, actor=actor, at=at, attempt=attempt)
        arguments = {"email": attempt.account, "minutes": max(one.minutes for one in attempt.locks)}
        enqueue(
            session=session, actor=actor, at=at, job_id=new_id(), kind=TELL_LOCKED, arguments=arguments, queue="mail"
        )
    services().after_commit(session)
    for one in attempt.locks:
        LOCKS.labels(one.limit).inc()
