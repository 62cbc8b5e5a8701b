"""Guessing is locked out, longer each time, without locking the owner out.

Five failures in a quarter of an hour lock an account for one network for 5, 10, 20, then 40 minutes. A browser that the
account knows is counted by itself, so that strangers' guesses never reach the owner. Wider limits hold for one network
over all accounts, and for one account over all networks (NIST SP 800-63B-4, 3.2.2: at most 100 failures in a row).

PostgreSQL counts, so that a limit is open neither without Valkey nor after its restart. An attempt is counted, and that
is committed, before the password is looked at: fifty at once count as fifty. Unknown accounts are counted like known.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity import queries
from webapp.identity.models import Lock
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import of_platform, ring_of
from webapp.kernel.errors import N_, DomainError

QUIET = timedelta(minutes=15)
"""After so long without a failure the count begins anew."""
STEPS = tuple(timedelta(minutes=minutes) for minutes in (5, 10, 20, 40))
FORGET_AFTER = timedelta(days=1)
"""After so long without a failure the next lock is the shortest again."""
SWEEP_MAX = 20
MARK_LENGTH = 16
TELL_LOCKED = "identity.tell_locked"
"""Kind of the job that tells a person of guesses."""


class TooManyAttempts(DomainError):
    """Nobody may try now, right password or not."""

    code = "too_many_attempts"
    status = 429
    title = N_("Too many attempts")
    message = N_("Too many attempts. Try again in %(minutes)s min, or ask for a link by mail.")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures in a row lock what, for how long; `again` are those after a first lock."""

    name: str
    failures_max: int
    again: int
    quiet: timedelta
    steps: tuple[timedelta, ...]
    forget_after: timedelta = FORGET_AFTER


DEVICE = Limit("device", 5, 5, QUIET, STEPS)
"""A browser that the account knows."""
PAIR = Limit("account_network", 5, 5, QUIET, STEPS)
NETWORK = Limit("network", 30, 30, QUIET, STEPS)
ACCOUNT = Limit("account", 100, 1, timedelta(days=30), (timedelta(days=1),), timedelta(days=30))
"""For browsers that the account does not know; the owner has a known one, a magic link and the reset by mail."""
TOLD = Limit("told", 1, 1, timedelta(days=1), (timedelta(days=1),))
"""A person is told of guesses once a day."""
MAILED = Limit("mailed", 5, 5, QUIET, STEPS)
"""Links that are asked for at the door, for one address."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known of one limit for one account, network or both."""

    failures: int = 0
    failed_at: datetime | None = None
    step: int = 0
    locked_until: datetime | None = None


def counted(state: State, limit: Limit, at: datetime) -> State:
    """Return the state after one more failure at a time when it was not locked."""
    silence = at - state.failed_at if state.failed_at else limit.forget_after
    step = 0 if silence >= limit.forget_after else state.step
    failures = 1 if silence >= limit.quiet else state.failures + 1
    if failures < (limit.again if step else limit.failures_max):
        return State(failures, at, step, None)
    return State(0, at, step + 1, at + limit.steps[min(step, len(limit.steps) - 1)])


def uncounted(now: State, limit: Limit, *, locked: bool) -> State:
    """Return the state without one attempt that was no failure; `locked` says that this very attempt set the lock."""
    if locked:
        step = max(0, now.step - 1)
        return State((limit.again if step else limit.failures_max) - 1, now.failed_at, step, None)
    return State(max(0, now.failures - 1), now.failed_at, now.step, now.locked_until)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a lock that an attempt set."""

    limit: str
    step: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that was counted: under which keys, and which locks it set."""

    account: str
    network: str
    keys: dict[bytes, Limit]
    locks: tuple[Step, ...]


def key_of(session: Session, limit: Limit, *parts: str) -> bytes:
    """Return the key under which a limit is counted for an account, a network, a device.

    It is a keyed mark: whoever has a copy of the table learns nothing by trying addresses. A rotation of the keys
    begins the counts anew.
    """
    return ring_of(session).blind("\0".join((limit.name, *parts)), context=of_platform("sign_in_lock.key"))


def count_attempt(
    *,
    session: Session,
    at: datetime,
    email: str,
    network: str,
    device: str,
    network_failures_max: int = NETWORK.failures_max,
) -> Attempt:
    """Count one attempt on an account (whether it exists or not) from a network, or from a device that it knows.

    Commit before the password is looked at. Raises TooManyAttempts, and then counts nothing.
    """
    account = email.strip().casefold()
    keys = {key_of(session, DEVICE, account, device): DEVICE}
    if not device:
        keys = {
            key_of(session, PAIR, account, network): PAIR,
            key_of(session, NETWORK, network): replace(
                NETWORK, failures_max=network_failures_max, again=network_failures_max
            ),
            key_of(session, ACCOUNT, account): ACCOUNT,
        }
    before = _hold(session, keys, at)
    until = max((state.locked_until for state in before.values() if state.locked_until), default=at)
    if until > at:
        raise TooManyAttempts(minutes=-(-int((until - at).total_seconds()) // 60), seconds=_seconds(until - at))
    locks = []
    for key, limit in keys.items():
        now = counted(before[key], limit, at)
        _keep(session, key, limit, now, at)
        if now.locked_until:
            locks.append(Step(limit.name, now.step, int((now.locked_until - at).total_seconds() // 60)))
    return Attempt(account, network, keys, tuple(locks))


def _seconds(left: timedelta) -> int:
    return max(1, round(left.total_seconds()))


def forgive(*, session: Session, at: datetime, attempt: Attempt) -> None:
    """Begin anew for the account after a success; its network only gets this one attempt back.

    Otherwise whoever has an account of their own could guess at others without end.
    """
    give_back(session=session, at=at, attempt=attempt)
    mine = [key for key, limit in attempt.keys.items() if limit.name != NETWORK.name]
    session.execute(delete(Lock).where(Lock.key.in_(mine)))


def give_back(*, session: Session, at: datetime, attempt: Attempt) -> None:
    """Uncount an attempt whose password was not looked at, or was right."""
    locked = {one.limit for one in attempt.locks}
    now = _hold(session, attempt.keys, at)
    for key, limit in attempt.keys.items():
        _keep(session, key, limit, uncounted(now[key], limit, locked=limit.name in locked), at)


def forget(*, session: Session, email: str) -> None:
    """Let an account be tried from everywhere again: its owner proved by mail who they are."""
    session.execute(delete(Lock).where(Lock.key == key_of(session, ACCOUNT, email.strip().casefold())))


def may_write(*, session: Session, at: datetime, email: str, limit: Limit) -> bool:
    """Tell whether a mail of a kind may go to an address now, and count it; nobody's mailbox is filled by strangers."""
    key = key_of(session, limit, email.strip().casefold())
    before = _hold(session, {key: limit}, at)[key]
    if before.locked_until and before.locked_until > at:
        return False
    _keep(session, key, limit, counted(before, limit, at), at)
    return True


def note_locks(*, session: Session, actor: Actor, at: datetime, attempt: Attempt) -> None:
    """Write the locks that a failed attempt set into the platform's trail, one event for each.

    An account is named by its person; where nobody has the address, by a mark that tells no address.
    """
    known: UUID | str | None = queries.id_by_email(session=session, email=attempt.account)
    account = known or key_of(session, ACCOUNT, attempt.account).hex()[:MARK_LENGTH]
    for one in attempt.locks:
        of_network = one.limit == NETWORK.name
        record(
            session=session,
            actor=actor,
            at=at,
            action="sign_in.locked",
            object_type="network" if of_network else "sign_in",
            object_id=attempt.network if of_network else account,
            difference={"limit": (None, one.limit), "minutes": (None, one.minutes), "step": (None, one.step)},
        )


def _hold(session: Session, keys: dict[bytes, Limit], at: datetime) -> dict[bytes, State]:
    """Lock the rows of these keys, always in the same order, and return what they say."""
    old = select(Lock.key).where(Lock.kept_until < at).limit(SWEEP_MAX).with_for_update(skip_locked=True)
    session.execute(delete(Lock).where(Lock.key.in_(old), Lock.key.not_in(list(keys))))
    fresh = [{"key": key, "failures": 0, "step": 0, "kept_until": at + keys[key].forget_after} for key in sorted(keys)]
    session.execute(upsert(Lock).values(fresh).on_conflict_do_nothing())
    rows = session.execute(
        select(Lock.key, Lock.failures, Lock.failed_at, Lock.step, Lock.locked_until)
        .where(Lock.key.in_(list(keys)))
        .order_by(Lock.key)
        .with_for_update(),
    )
    return {row[0]: State(*row[1:]) for row in rows}


def _keep(session: Session, key: bytes, limit: Limit, state: State, at: datetime) -> None:
    session.execute(
        update(Lock)
        .where(Lock.key == key)
        .values(
            failures=state.failures,
            failed_at=state.failed_at,
            step=state.step,
            locked_until=state.locked_until,
            kept_until=max(at + limit.forget_after, state.locked_until or at),
        ),
    )
