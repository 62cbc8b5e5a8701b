"""The readable log."""

import io
from datetime import UTC, datetime

import pytest

from webapp.embedded.log_view import LogView

AT = datetime(2026, 11, 21, 8, 30, 15, tzinfo=UTC)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def out() -> io.StringIO:
    """Return a stream that is no terminal."""
    return io.StringIO()


def test_an_event_becomes_one_line_with_its_process_and_its_fields(out: io.StringIO):
    LogView(out).line(
        "web", '{"event":"request","level":"info","route":"/t/<slug>","status":200,"note":"two words"}', AT
    )
    assert out.getvalue() == '08:30:15 web       request route=/t/<slug> status=200 note="two words"\n'


def test_a_warning_is_marked(out: io.StringIO):
    LogView(out).line("worker", '{"event":"slow","level":"warning","time":"not a time"}', AT)
    assert out.getvalue() == "08:30:15 worker    WARNING slow\n"


def test_what_is_not_json_is_shown_as_it_is(out: io.StringIO):
    view = LogView(out)
    view.line("web", "plain words", AT)
    view.line("web", '{"half": ', AT)
    assert out.getvalue() == '08:30:15 web       plain words\n08:30:15 web       {"half": \n'


def test_a_trace_stays_with_its_process(out: io.StringIO):
    LogView(out).line("web", '{"event":"failed","level":"error","exception":"Traceback\\n  at home"}', AT)
    assert out.getvalue().splitlines()[1:] == ["         web        | Traceback", "         web        |   at home"]


def test_colours_are_for_terminals_that_want_them():
    for environ, is_coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        out = Terminal()
        LogView(out, environ).line("web", '{"event":"failed","level":"error"}', AT)
        assert ("\x1b[" in out.getvalue()) is is_coloured


def test_copies_of_the_trail_are_for_a_log_that_is_kept_and_not_for_a_terminal(out: io.StringIO):
    terminal = Terminal()
    for stream in (terminal, out):
        view = LogView(stream, {"NO_COLOR": "1"})
        view.say("sign in at http://127.0.0.1:8000/sign-in")
        view.line("clock", '{"event":"audit.event","level":"info","action":"entry.posted"}', AT)
        view.line("clock", '{"event":"audit.checkpoint","level":"info","number":1}', AT)
        view.line("clock", '{"event":"audit.sealer_waits","level":"warning","reason":"away"}', AT)
    assert terminal.getvalue().splitlines() == [
        "sign in at http://127.0.0.1:8000/sign-in",
        "08:30:15 clock     WARNING audit.sealer_waits reason=away",
    ]
    assert out.getvalue().count("audit.event") == out.getvalue().count("audit.checkpoint") == 1


def test_a_reader_that_went_away_does_not_stop_the_house():
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    view = LogView(Gone())
    view.say("one")
    view.say("two")
    view.stream.close()
