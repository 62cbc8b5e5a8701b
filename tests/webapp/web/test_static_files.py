"""How long a browser and the caches on its way keep what is static."""

from flask import Flask

from webapp.web.render import static_url


def test_a_static_file_is_kept_for_ever_but_its_absence_is_not(app: Flask) -> None:
    browser = app.test_client()
    with app.test_request_context():
        present = browser.get(static_url("css/base.css"))
    present.close()
    absent = browser.get("/static/css/of-the-next-version.css")

    assert (present.status_code, "immutable" in present.headers["Cache-Control"]) == (200, True)
    assert (absent.status_code, absent.headers["Cache-Control"]) == (404, "no-store")
