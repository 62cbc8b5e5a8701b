"""What happens to an import when workers die, people change their minds, or two files meet."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from tenants.money.imports import checking, publication, receiving, reversal
from tenants.money.imports.readers.lines import TooManyRows
from tenants.money.imports.readers.read import read
from tenants.money.imports.readers.recognise import recognise
from tenants.money.imports.refusals import FileTooLarge
from webapp import worker
from webapp.jobs.context import JobContext
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_id
from webapp.settings import Settings

HEADER = "Date,Payee,Description,Amount,Currency\n"
MARCH = HEADER + "2026-03-02,REWE,Groceries,-12.34,EUR\n2026-03-05,Acme Industries,Salary,2500.00,EUR\n"


class Killed(Exception):
    """Stands for the death of a worker in the middle of a statement's transaction."""


def dies_at_beat(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the next worker die when it says for the nth time how far it is."""
    beats = iter(range(1, 1_000))

    def beat(_self: JobContext, **_values: Any) -> None:
        if next(beats) == number:
            raise Killed

    monkeypatch.setattr(JobContext, "beat", beat)


def test_a_publication_that_dies_is_absent_and_the_next_attempt_completes_it(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = desk.bring(MARCH)
    with monkeypatch.context() as patched:
        dies_at_beat(patched, 1)
        desk.act(found["id"], "publication")
    assert desk.sql("SELECT count(*) FROM entry") == 0
    assert desk.sql("SELECT count(*) FROM statement_key") == 0
    assert desk.get(found["id"])["state"] == "publishing"
    desk.hurry()
    desk.work()
    assert desk.get(found["id"])["state"] == "published"
    assert desk.sql("SELECT count(*) FROM entry") == 2


def test_a_reversal_that_dies_leaves_everything_and_the_next_attempt_completes_it(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = desk.bring(MARCH, publish="auto")
    with monkeypatch.context() as patched:
        dies_at_beat(patched, 1)
        desk.act(found["id"], "reversal")
    assert desk.balance(desk.account()) == "2487.66"
    desk.hurry()
    desk.work()
    assert desk.get(found["id"])["state"] == "reversed"
    assert desk.balance(desk.account()) == "0.00"


def test_a_check_that_dies_begins_again(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import_id = desk.upload(MARCH).json["id"]
    with monkeypatch.context() as patched:
        patched.setattr(checking, "BEAT_SECONDS", -1.0)
        dies_at_beat(patched, 1)
        desk.work()
    assert desk.get(import_id)["state"] == "checking"
    assert desk.sql("SELECT count(*) FROM import_row") == 0
    desk.hurry()
    desk.work()
    assert (desk.get(import_id)["state"], desk.get(import_id)["counts"]["rows"]) == ("review", 2)


def test_work_given_up_after_three_attempts_is_shown_and_can_be_tried_again(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = desk.bring(MARCH)
    with monkeypatch.context() as patched:
        for _attempt in range(3):
            dies_at_beat(patched, 1)
            desk.act(found["id"], "publication")
            desk.hurry()
        desk.work()
    given_up = desk.get(found["id"])
    assert (given_up["state"], given_up["error"]["code"]) == ("failed", "job_parked")
    assert desk.act(found["id"], "retry").status_code == 202
    assert desk.get(found["id"])["state"] == "published"


def test_a_job_that_is_delivered_twice_does_nothing_the_second_time(desk: Any) -> None:
    found = desk.bring(MARCH, publish="auto")
    with desk.database.platform() as session:
        ids = session.scalars(text("SELECT id FROM job WHERE tenant_id = :t"), {"t": desk.cast.acme.ref.id}).all()
    for job_id in ids:
        worker.perform(str(job_id))
    assert desk.get(found["id"])["counts"]["published"] == 2
    assert desk.sql("SELECT count(*) FROM entry") == 2


def test_every_state_on_the_way_is_shown_while_it_lasts(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import_id, met = desk.upload(MARCH).json["id"], []
    browser = desk.alice.browser()

    def look() -> None:
        shown = browser.get(f"/t/{desk.cast.acme.slug}/imports/{import_id}").text
        met.append((desk.get(import_id)["state"], [words for words in doing if words in shown]))

    doing = (
        "Waiting for a worker",
        "Finding out what it is",
        "Reading and checking rows",
        "Booking",
        "Taking it back out of the books",
    )
    recognise_content, suggester = checking.recognise_content, checking._suggester

    def recognising(*arguments: Any) -> Any:
        look()
        return recognise_content(*arguments)

    def reading(*arguments: Any) -> Any:
        look()
        return suggester(*arguments)

    look()
    with monkeypatch.context() as patched:
        patched.setattr(checking, "recognise_content", recognising)
        patched.setattr(checking, "_suggester", reading)
        desk.work()
    for act in ("publication", "reversal"):
        assert desk.alice.api("POST", f"/imports/{import_id}/{act}").status_code == 202
        look()
        desk.work()
    states = ("received", "recognising", "checking", "publishing", "reversing")
    assert met == [(state, [words]) for state, words in zip(states, doing, strict=True)]
    assert desk.get(import_id)["state"] == "reversed"


def test_cancelling_stops_a_check_that_runs(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import_id = desk.upload(MARCH).json["id"]
    beat = JobContext.beat

    def cancelled_meanwhile(self: JobContext, **values: Any) -> None:
        desk.alice.api("POST", f"/imports/{import_id}/cancellation")
        beat(self, **values)

    with monkeypatch.context() as patched:
        patched.setattr(checking, "BEAT_SECONDS", -1.0)
        patched.setattr(JobContext, "beat", cancelled_meanwhile)
        desk.work()
    assert desk.get(import_id)["state"] == "cancelled"
    assert desk.sql("SELECT count(*) FROM import_row") == 0
    assert desk.work() == 0


def test_a_file_that_was_published_meanwhile_adds_nothing(desk: Any) -> None:
    first, second = desk.bring(MARCH), desk.bring(MARCH)
    assert second["counts"]["new"] == 2
    for found in (first, second):
        desk.act(found["id"], "publication")
    assert desk.get(first["id"])["counts"]["published"] == 2
    late = desk.get(second["id"])
    assert (late["state"], late["counts"]["published"], late["counts"]["duplicate"]) == ("published", 0, 2)
    assert desk.balance(desk.account()) == "2487.66"


def test_what_the_books_refuse_brings_the_import_back_to_review_with_the_reason(desk: Any) -> None:
    found = desk.bring(MARCH)
    with desk.cast.acme.begin() as session:
        session.execute(
            text(
                "INSERT INTO period_closing (starts, ends, closed_at, closed_by)"
                " VALUES ('2026-03-01', '2026-03-03', now(), gen_random_uuid())"
            )
        )
    desk.act(found["id"], "publication")
    back = desk.get(found["id"])
    assert (back["state"], back["error"]["code"]) == ("review", "period_closed")
    assert desk.sql("SELECT count(*) FROM entry") == 0


def test_a_limit_holds_at_the_end_of_an_import_and_not_between_its_statements(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "BATCH_ROWS", 1)
    monkeypatch.setattr(reversal, "BATCH_ROWS", 1)
    bank = desk.account("Limited", overdraft_limit="0")
    found = desk.bring(MARCH, account=bank, publish="auto")
    assert found["state"] == "published", found["error"]
    out = desk.bring(HEADER + "2026-03-09,Landlord,Rent,-2487.66,EUR\n", account=bank, publish="auto")
    too_much = desk.bring(HEADER + "2026-03-10,Landlord,Rent again,-0.01,EUR\n", account=bank, publish="auto")
    assert (too_much["state"], too_much["error"]["code"]) == ("review", "overdraft_exceeded")
    desk.act(found["id"], "reversal")
    assert desk.get(found["id"])["error"]["code"] == "overdraft_exceeded"
    assert desk.get(found["id"])["state"] == "published"
    desk.act(out["id"], "reversal")
    desk.act(found["id"], "reversal")
    assert desk.get(found["id"])["state"] == "reversed"


def test_more_rows_than_the_limit_are_refused_with_the_limit(
    desk: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(worker.process, "settings", replace(settings, import_rows_max=3))
    found = desk.bring(MARCH + "2026-03-06,A,b,-1.00,EUR\n2026-03-07,A,b,-1.00,EUR\n")
    assert (found["state"], found["error"]["code"]) == ("failed", "too_many_rows")
    assert "3" in found["error"]["detail"]
    assert desk.sql("SELECT count(*) FROM import_row") == 0


def test_a_file_past_the_limit_is_refused_whatever_its_header_says(desk: Any) -> None:
    upload = receiving.Upload(desk.account(), "a.csv")
    with pytest.raises(FileTooLarge), desk.cast.acme.begin() as session:
        receiving.receive(
            session=session,
            actor=desk.alice.actor,
            at=utc_now(),
            new_id=new_id,
            upload=upload,
            content=[b"x" * 600, b"y" * 600],
            bytes_max=1000,
        )
    assert desk.sql("SELECT count(*) FROM import") == 0


def test_two_hundred_megabytes_are_a_413_problem_and_a_413_page(desk: Any) -> None:
    said = {
        "environ_overrides": {"CONTENT_LENGTH": str(200 * 1024 * 1024)},
        "content_type": "multipart/form-data; boundary=x",
        "data": b"--x",
    }
    problem = desk.alice.api("POST", "/imports", **said)
    assert (problem.status_code, problem.content_type) == (413, "application/problem+json")
    assert "larger than 64 MB" in problem.json["detail"]
    page = desk.alice.browser().post(f"/t/{desk.cast.acme.slug}/imports", **said)
    assert page.status_code == 413
    assert "<h1" in page.text
    assert "larger than 64 MB" in page.text


def test_two_million_rows_are_refused_at_the_limit_itself_and_not_read_to_their_end(settings: Settings) -> None:
    line = b"2026-03-02,REWE,Groceries,-12.34,EUR\n"
    head = HEADER.encode() + line * 10
    rows_each, taken = 10_000, 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        yield HEADER.encode()
        for _ in range(2_000_000 // rows_each):
            taken += rows_each
            yield line * rows_each

    limit = settings.import_rows_max
    found = recognise(head, size=len(head))
    reading = read(chunks(), found, mapping=None, default_currency="EUR", max_rows=limit)
    with pytest.raises(TooManyRows) as refused:
        deque(reading, maxlen=0)
    assert (limit, refused.value.limit) == (500_000, limit)
    assert taken == limit + rows_each


def test_another_encoding_can_be_chosen(desk: Any) -> None:
    content = (HEADER + "2026-03-02,Caf\u00e9 M\u00fcller,x,-1.00,EUR\n").encode("cp1252")
    found = desk.bring(content)
    assert desk.rows(found["id"])[0]["counterparty"] == "Café Müller"
    answer = desk.alice.api("PUT", f"/imports/{found['id']}/mapping", json={"encoding": "cp1250"})
    assert answer.status_code == 202, answer.text
    desk.work()
    again = desk.get(found["id"])
    assert (again["state"], again["encoding"]) == ("review", "cp1250")


def test_every_act_leaves_its_event(desk: Any) -> None:
    found = desk.bring(MARCH)
    desk.act(found["id"], "decisions", {"decision": "skip", "positions": [1]})
    desk.act(found["id"], "publication")
    desk.act(found["id"], "reversal")
    with desk.cast.acme.begin() as session:
        actions = session.scalars(text("SELECT action FROM audit_event WHERE object_type = 'import' ORDER BY id")).all()
    assert actions == ["import.received", "import.decided", "import.published", "import.reversed"]


@pytest.mark.parametrize(
    "char",
    [
        "\t",
        "\\",
        "\\N",
        "\r",
        "\x01",
        "\u202e",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        "'; DROP TABLE entry; --",
        "%s %(a)s",
        "NULL",
    ],
)
def test_strange_texts_come_back_as_they_were(desk: Any, char: str) -> None:
    payee = f"a{char}b"
    found = desk.bring(HEADER + f'2026-03-02,"{payee}",x,-1.00,EUR\n', publish="auto")
    assert found["state"] == "published", found
    (row,) = desk.rows(found["id"])
    assert row["counterparty"].split() == payee.split()
    assert desk.alice.api("GET", "/entries").json["data"][0]["counterparty"] == row["counterparty"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "decisions", {"decision": "keep", "positions": [2**40]}),
        ("POST", "decisions", {"decision": "keep", "positions": []}),
        ("POST", "decisions", {"decision": "maybe"}),
        ("POST", "categories", {"category_id": 999_999, "positions": [1]}),
        ("PUT", "mapping", {}),
        ("PUT", "mapping", {"encoding": "klingon"}),
        ("PUT", "mapping", {"mapping": {"date": 0}}),
        ("PUT", "mapping", {"mapping": {"date": 0, "amount": 1, "fixed_currency": "\x00"}}),
        ("PUT", "mapping", {"mapping": {"date": 0, "amount": 1, "sheet": "\ud800"}}),
        ("PUT", "rows/3", {"date": "2026-01-01", "amount": "1", "currency": "EUR", "text": "\ud800"}),
        ("PUT", "rows/3", {"date": "\x00", "amount": "1e9", "currency": "XXX"}),
        ("PUT", "rows/3", {"date": "0001-01-01", "amount": "1", "currency": "EUR"}),
        ("PUT", "rows/3", {"date": "2026-01-01", "amount": "99999999999999999999", "currency": "EUR"}),
        ("PUT", "rows/3", {"date": "2026-01-01", "amount": "1", "currency": "JPY"}),
        ("PUT", "rows/3", {"date": "2026-01-01", "amount": "0.00", "currency": "EUR"}),
    ],
)
def test_bad_input_is_a_problem_and_never_a_failure(desk: Any, method: str, path: str, body: dict[str, Any]) -> None:
    found = desk.bring(MARCH + "2026-02-30,Nobody,Never,-1.00,EUR\n")
    answer = desk.alice.api(method, f"/imports/{found['id']}/{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json["code"]
