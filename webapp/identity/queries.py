"""Who is it? Reads of people, sessions and tokens, on a transaction bound to the platform."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from webapp.identity import contacts
from webapp.identity.models import OneTimeLink, Person, ServiceAccount, SignInSession, Token
from webapp.kernel.actor import Actor

LIST_MAX = 200
TOKENS_LIST_MAX = 1000


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person as pages and logs see them."""

    id: UUID
    email: str
    name: str
    language: str
    theme: str
    density: str
    is_operator: bool


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that goes on, and how sure it is who sits before it."""

    id: UUID
    person: PersonView
    seen_at: datetime
    seen_address: str
    confirmed_at: datetime
    second_factor_at: datetime | None
    is_renewal_due: bool
    sso_tenant_ids: list[UUID]
    """Workspaces through whose own single sign-on the person came."""
    only_tenant_id: UUID | None
    """The one workspace that the session opens, when that workspace's provider alone vouches for the person."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """A sign-in of a person: since when, last seen when and from where, on what device."""

    id: UUID
    created_at: datetime
    seen_at: datetime
    user_agent: str
    source_address: str
    seen_address: str


@dataclass(frozen=True, slots=True)
class TokenView:
    """An API token, without its secret."""

    id: str
    name: str
    person_id: UUID | None
    service_account_id: UUID | None
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    networks: list[str]
    rotated_at: datetime | None
    former_until: datetime | None


@dataclass(frozen=True, slots=True)
class ServiceAccountView:
    """A machine's identity in a workspace, with the last use of any of its tokens."""

    id: UUID
    name: str
    note: str
    role: str
    created_at: datetime
    created_by: UUID
    disabled_at: datetime | None
    used_at: datetime | None
    tokens_count: int

    @property
    def state(self) -> str:
        """Return active or disabled."""
        return "active" if self.disabled_at is None else "disabled"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who stands behind a valid token, for which workspace, within which scopes.

    A service account is shown as a person without an address; its role is `machine_role`, which is None for people.
    """

    token_id: str
    tenant_id: UUID
    scopes: frozenset[str]
    used_at: datetime | None
    networks: list[str]
    machine_role: str | None
    person: PersonView
    place: Sequence[Any] | None = None
    """What `webapp.tenancy.queries.place_of` reads: the workspace with the role there, where it was read along."""


_PERSON = (
    Person.id,
    Person.email_sealed,
    Person.name_sealed,
    Person.language,
    Person.theme,
    Person.density,
    Person.is_operator,
)


def person_view(session: Session, row: Sequence[Any]) -> PersonView:
    """Read a person from their columns: id, address and name as they are kept, language, theme, density, operator."""
    email = contacts.opened_email(session=session, person_id=row[0], kept=row[1])
    name = contacts.opened_name(session=session, person_id=row[0], kept=row[2])
    return PersonView(row[0], email, name, *row[3:])


def live_session(*, session: Session, secret_hash: bytes, at: datetime, idle: timedelta) -> LiveSession | None:
    """Return the session of this secret with its person; None if it is over."""
    row = session.execute(
        select(
            SignInSession.id,
            SignInSession.seen_at,
            SignInSession.seen_address,
            SignInSession.confirmed_at,
            SignInSession.second_factor_at,
            SignInSession.is_renewal_due,
            SignInSession.sso_tenant_ids,
            SignInSession.only_tenant_id,
            *_PERSON,
        )
        .join(Person, Person.id == SignInSession.person_id)
        .where(
            SignInSession.secret_hash == secret_hash,
            SignInSession.revoked_at.is_(None),
            SignInSession.expires_at > at,
            SignInSession.seen_at > at - idle,
            Person.disabled_at.is_(None),
        ),
    ).first()
    return None if row is None else LiveSession(row[0], person_view(session, row[8:]), *row[1:8])


# Asked with every call of the API: a ready text costs a tenth of what building the expression costs.
_BEARER = text("""
    SELECT t.tenant_id, t.scopes, t.used_at, t.networks, s.role,
        p.id, p.email_sealed, p.name_sealed, p.language, p.theme, p.density, p.is_operator, s.id, s.name,
        coalesce(s.role, m.role), w.id, w.slug, w.name, w.base_currency, w.is_demo, w.suspended_at, w.sso_only,
        w.access_revision, w.stores_revision, w.second_factor_roles, w.time_zone, w.erase_at,
        coalesce(m.own_roles, '{}')
    FROM platform.token t
        JOIN platform.tenant w ON w.id = t.tenant_id
        LEFT JOIN platform.person p ON p.id = t.person_id
        LEFT JOIN platform.membership m ON m.tenant_id = t.tenant_id AND m.person_id = t.person_id
        LEFT JOIN platform.service_account s ON s.id = t.service_account_id
    WHERE t.id = :token_id
        AND (t.secret_hash = :secret_hash OR t.former_hash = :secret_hash AND t.former_until > :at)
        AND t.revoked_at IS NULL AND t.expires_at > :at AND p.disabled_at IS NULL AND s.disabled_at IS NULL
""")


def bearer(*, session: Session, token_id: str, secret_hash: bytes, at: datetime) -> Bearer | None:
    """Return who stands behind a token; None if it is unknown, wrong, expired, revoked, or its holder is disabled.

    Their place in the token's workspace is read along, as every call asks for it next.
    """
    row = session.execute(_BEARER, {"token_id": token_id, "secret_hash": secret_hash, "at": at}).first()
    if row is None:
        return None
    holder = machine_view(*row[12:14]) if row[5] is None else person_view(session, row[5:12])
    return Bearer(token_id, row[0], frozenset(row[1]), *row[2:5], holder, row[14:])


def service_accounts(
    *, session: Session, tenant_id: UUID, service_account_id: UUID | None = None
) -> list[ServiceAccountView]:
    """Return a workspace's service accounts (or one): at most 1,000, those that work first, newest first."""
    lives = (Token.revoked_at.is_(None)) & (Token.expires_at > func.now())
    query = (
        select(
            ServiceAccount.id,
            ServiceAccount.name,
            ServiceAccount.note,
            ServiceAccount.role,
            ServiceAccount.created_at,
            ServiceAccount.created_by,
            ServiceAccount.disabled_at,
            func.max(Token.used_at),
            func.count(Token.id).filter(lives),
        )
        .outerjoin(Token, Token.service_account_id == ServiceAccount.id)
        .where(ServiceAccount.tenant_id == tenant_id)
        .group_by(ServiceAccount.id)
        .order_by(ServiceAccount.disabled_at.is_not(None), ServiceAccount.created_at.desc(), ServiceAccount.id.desc())
        .limit(TOKENS_LIST_MAX)
    )
    if service_account_id is not None:
        query = query.where(ServiceAccount.id == service_account_id)
    return [ServiceAccountView(*row) for row in session.execute(query)]


def person_by_email(*, session: Session, email: str) -> PersonView | None:
    """Return the person with this address, in any case of its letters."""
    known = Person.email_blind.in_(contacts.marks(session=session, email=email))
    row = session.execute(select(*_PERSON).where(known)).first()
    return None if row is None else person_view(session, row)


def id_by_email(*, session: Session, email: str) -> UUID | None:
    """Return only who has this address: nothing is opened, so that the answer takes as long for nobody."""
    return session.scalar(select(Person.id).where(Person.email_blind.in_(contacts.marks(session=session, email=email))))


def is_taken(*, session: Session, email: str) -> bool:
    """Tell whether somebody has an address; whoever asked alone may give it to somebody until the transaction ends."""
    known = contacts.marks_to_take(session=session, email=email)
    return session.scalar(select(Person.id).where(Person.email_blind.in_(known))) is not None


def people(*, session: Session, ids: set[UUID]) -> dict[UUID, PersonView]:
    """Return the people of these ids (at most 1,000), by id; service accounts as people without an address."""
    rows = session.execute(select(*_PERSON).where(Person.id.in_(list(ids)[:1000])))
    found = {row[0]: person_view(session, row) for row in rows}
    others = list(ids - found.keys())[:1000]
    if others:
        machines = session.execute(
            select(ServiceAccount.id, ServiceAccount.name).where(ServiceAccount.id.in_(others)),
        )
        found |= {row[0]: machine_view(*row) for row in machines}
    return found


def called(*, session: Session, actor: Actor) -> str:
    """Return how a letter names who acts: a person by their address, others by their label."""
    found = {} if actor.label else people(session=session, ids={actor.person_id})
    return found[actor.person_id].email if actor.person_id in found else actor.label


def machine_view(service_account_id: UUID, name: str) -> PersonView:
    """Return how a service account shows where people are named."""
    return PersonView(service_account_id, name, name, "en", "system", "comfortable", is_operator=False)


def password_hash(*, session: Session, email: str) -> tuple[UUID, str] | None:
    """Return id and password hash of an enabled person; None if there is nothing to compare with."""
    row = session.execute(
        select(Person.id, Person.password_hash).where(
            Person.email_blind.in_(contacts.marks(session=session, email=email)),
            Person.disabled_at.is_(None),
            Person.password_hash.is_not(None),
        ),
    ).first()
    return None if row is None else (row[0], row[1])


def sessions(*, session: Session, person_id: UUID, at: datetime) -> list[SessionView]:
    """Return a person's live sessions, newest first (at most 200)."""
    rows = session.execute(
        select(
            SignInSession.id,
            SignInSession.created_at,
            SignInSession.seen_at,
            SignInSession.user_agent,
            SignInSession.source_address,
            SignInSession.seen_address,
        )
        .where(
            SignInSession.person_id == person_id,
            SignInSession.revoked_at.is_(None),
            SignInSession.expires_at > at,
        )
        .order_by(SignInSession.created_at.desc())
        .limit(LIST_MAX),
    )
    return [SessionView(*row) for row in rows]


def is_enabled(*, session: Session, person_id: UUID) -> bool:
    """Tell whether a person may sign in at all."""
    query = select(Person.id).where(Person.id == person_id, Person.disabled_at.is_(None))
    return session.execute(query).first() is not None


def has_signed_in(*, session: Session, person_id: UUID) -> bool:
    """Tell whether a person ever had a session."""
    query = select(SignInSession.id).where(SignInSession.person_id == person_id).limit(1)
    return session.execute(query).first() is not None


def tokens(
    *,
    session: Session,
    tenant_id: UUID,
    person_id: UUID | None = None,
    service_account_id: UUID | None = None,
    token_id: str | None = None,
) -> list[TokenView]:
    """Return a workspace's personal tokens (of one person if named), or those of one service account.

    At most 1,000 (one alone if named), those that work first, newest first otherwise: so nobody hides a
    token that works behind many that were made and revoked after it.
    """
    query = (
        select(
            Token.id,
            Token.name,
            Token.person_id,
            Token.service_account_id,
            Token.scopes,
            Token.created_at,
            Token.expires_at,
            Token.used_at,
            Token.revoked_at,
            Token.networks,
            Token.rotated_at,
            Token.former_until,
        )
        .where(Token.tenant_id == tenant_id)
        .order_by(
            Token.revoked_at.is_not(None), Token.expires_at <= func.now(), Token.created_at.desc(), Token.id.desc()
        )
        .limit(TOKENS_LIST_MAX)
    )
    if service_account_id is not None:
        query = query.where(Token.service_account_id == service_account_id)
    else:
        query = query.where(Token.person_id.is_not(None))
    if token_id is not None:
        query = query.where(Token.id == token_id)
    if person_id is not None:
        query = query.where(Token.person_id == person_id)
    return [TokenView(*row) for row in session.execute(query)]


def has_operator(*, session: Session) -> bool:
    """Tell whether the installation has an operator yet."""
    return session.execute(select(Person.id).where(Person.is_operator).limit(1)).first() is not None


def usable_link(*, session: Session, secret_hash: bytes, purpose: str, at: datetime) -> bool:
    """Tell whether a one-time link can still be used."""
    query = select(OneTimeLink.secret_hash).where(
        OneTimeLink.secret_hash == secret_hash,
        OneTimeLink.purpose == purpose,
        OneTimeLink.used_at.is_(None),
        OneTimeLink.expires_at > at,
    )
    return session.execute(query).first() is not None
