"""The sealer: walks over every trail, again and again, seals what waits, signs, and lets go of what is too old."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from webapp.audit import retention, seals, signing
from webapp.audit.offline import GENESIS
from webapp.audit.rules import Event
from webapp.audit.seals import Chain
from webapp.audit.signing import Signer, Vault
from webapp.jobs.blame import is_outage
from webapp.kernel.clock import Clock

log = structlog.get_logger()


class Sealer:
    """Seals as the owner of the schemas; several at once disturb each other as little as none."""

    def __init__(
        self,
        engine: Engine,
        vault: Vault,
        clock: Clock,
        *,
        tell: Callable[[Chain, Event], None] | None = None,
    ) -> None:
        self._engine, self._vault, self._clock = engine, vault, clock
        self._tell = tell
        self._signs: Signer | None = None

    def run(self) -> int:
        """Go over every trail once and return how many events were sealed.

        One that cannot be sealed holds up no other: what it raised is raised when all were gone over.
        """
        self._signs, sealed, failures = None, 0, []
        for chain in self._waiting():
            try:
                sealed += self.seal(chain)
            except Exception as error:
                if is_outage(error):
                    raise
                log.exception("audit.trail_not_sealed", chain=chain.name)
                failures.append(error)
        if failures:
            raise failures[0]
        return sealed

    def seal(self, chain: Chain) -> int:
        """Seal what waits in one trail, sign its end, and return how many events were sealed."""
        sealed = batches = 0
        while True:
            with self._begin() as session:
                events = seals.seal_batch(session=session, chain=chain, at=self._clock())
            for event in events if self._tell else ():
                self._tell(chain, event)  # type: ignore[misc] # the condition above says that it is there
            sealed, batches = sealed + len(events), batches + 1
            if len(events) < seals.BATCH_EVENTS or batches % seals.CHECKPOINT_SEALS == 0:
                self.sign(chain)
            if len(events) < seals.BATCH_EVENTS:
                return sealed

    def sign(self, chain: Chain) -> None:
        """Sign where a trail ends, if that is not signed yet."""
        with self._begin() as session:
            seals.enter(session, chain)
            if seals.head(session=session).hash.hex() != GENESIS:
                seals.sign_checkpoint(session=session, chain=chain, signer=self._signer(), at=self._clock())

    def clear(self, keep: timedelta) -> int:
        """Let go of what is older than `keep` in every trail; return how many events that were."""
        at = self._clock()
        return sum(retention.clear(begin=self._begin, chain=chain, at=at, keep=keep) for chain in self.every_chain())

    def every_chain(self) -> Iterator[Chain]:
        """Return every trail: the installation's, then those of the workspaces."""
        yield Chain.of(None)
        for page in self._pages():
            yield from page

    def _waiting(self) -> Iterator[Chain]:
        with self._begin() as session:
            first = seals.with_unsealed(session=session, some=[Chain.of(None)])
        yield from first
        for page in self._pages():
            yield from self._with_unsealed(page)

    def _pages(self) -> Iterator[list[Chain]]:
        after = ""
        while True:
            with self._begin() as session:
                page = seals.chains(session=session, after=after)
            if not page:
                return
            yield page
            after = page[-1].name

    def _with_unsealed(self, page: list[Chain]) -> list[Chain]:
        """Ask for all at once; when one of the workspaces is removed meanwhile, ask for each alone."""
        try:
            with self._begin() as session:
                return seals.with_unsealed(session=session, some=page)
        except ProgrammingError:
            if len(page) == 1:
                log.info("audit.trail_gone", chain=page[0].name)
                return []
            return [one for chain in page for one in self._with_unsealed([chain])]

    def _signer(self) -> Signer:
        """Open the signing key, once in a run: a key that was retired meanwhile signs nothing any more."""
        if self._signs is None:
            with self._begin() as session:
                self._signs = signing.open_signer(session=session, vault=self._vault, at=self._clock())
        return self._signs

    @contextmanager
    def _begin(self) -> Iterator[Session]:
        with Session(self._engine) as session, session.begin():
            yield session


def tell_event(chain: Chain, event: Event) -> None:
    """Write an event to the structured log: who did what to what; of its difference the fields, never the values."""
    log.info(
        "audit.event",
        chain=chain.name,
        id=event.id,
        at=event.at.isoformat(),
        actor_id=str(event.actor_id),
        via=event.via,
        through_id=event.through_id,
        action=event.action,
        object_type=event.object_type,
        object_id=event.object_id,
        fields=list(event.difference)[:100],
        request_id=event.request_id,
        decision_id=event.decision_id,
        source_address=event.source_address,
    )
