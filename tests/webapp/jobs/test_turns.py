"""Which job a worker takes next."""

import signal
from dataclasses import replace

import pytest
from rq import SimpleWorker

from webapp import worker
from webapp.jobs.delivery import Courier
from webapp.kernel.ids import new_id
from webapp.settings import Settings


def test_queues_take_turns_so_that_many_imports_hold_up_no_letter(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    performed: list[str] = []
    monkeypatch.setattr(worker, "perform", performed.append)
    monkeypatch.setattr(worker._Worker, "work", lambda self, **said: SimpleWorker.work(self, burst=True, **said))
    worker.prepare(replace(settings, redis_url=settings.redis_url.partition("?")[0] + "?db=7"))
    ids = [new_id() for _ in range(5)]
    present = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        Courier(worker.process["redis"]).deliver([*(("imports", one) for one in ids[:4]), ("mail", ids[4])])
        worker._work_until_valkey_fails("turns")
    finally:
        for number, handler in present.items():
            signal.signal(number, handler)
        worker.process["redis"].flushdb()
        worker.release()

    assert sorted(performed) == sorted(str(one) for one in ids)
    assert performed.index(str(ids[4])) <= 1
