"""What a program was given ends by itself: a code after a minute, the whole consent after three months."""

from sqlalchemy import text

from tests.cast import Cast
from tests.webapp.oauth.test_server import register
from webapp.oauth.rules import CODE_LIFE, GRANT_LIFE
from webapp.web.state import KEY


def test_a_code_ends_after_a_minute_and_a_consent_after_three_months(cast: Cast) -> None:
    program, database = register(cast), cast.app.extensions[KEY].database
    assert (CODE_LIFE.total_seconds(), GRANT_LIFE.days) == (60, 90)

    def pass_by(column: str, seconds: float) -> None:
        with database.platform() as session:
            moved = text(f"UPDATE oauth_grant SET {column} = {column} - make_interval(secs => :s)")
            session.execute(moved, {"s": seconds})

    code = program.code(cast.bob)
    pass_by("code_expires_at", 61)
    assert program.exchange(code).json["error"] == "invalid_grant"
    given = program.exchange(program.code(cast.bob)).json
    assert program.refresh(given["refresh_token"]).status_code == 200
    given = program.exchange(program.code(cast.bob)).json
    pass_by("expires_at", GRANT_LIFE.total_seconds() + 1)
    assert program.refresh(given["refresh_token"]).json["error"] == "invalid_grant"
