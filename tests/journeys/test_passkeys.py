"""Passkeys in a real browser with a virtual authenticator: made on the security page, then all that one needs."""

import re
from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from tests.cast import Cast

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_a_passkey_is_made_and_signs_in_alone(
    cast: Cast, chromium: Browser, live: str, find_faults: Callable[[Page], list[str]]
) -> None:
    # Passkeys are bound to a name: an address of numbers has none.
    here = live.replace("127.0.0.1", "localhost")
    context = chromium.new_context(base_url=here, locale="en-GB")
    context.set_default_timeout(8000)
    context.add_cookies([{"name": "comptoir", "value": cast.alice.session_secret, "url": here}])
    page = context.new_page()
    devices = context.new_cdp_session(page)
    devices.send("WebAuthn.enable", {"enableUI": False})
    device = devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)

    page.goto("/profile/security")
    page.get_by_label("Name of the passkey").fill("Virtual laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("h1")).to_have_text("Recovery codes")
    assert find_faults(page) == []
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Virtual laptop")).to_be_visible()
    assert find_faults(page) == []

    # Out of reach first, so that the sign-in page can be looked at before the passkey answers by itself.
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    context.clear_cookies()
    page.goto("/sign-in")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    assert find_faults(page) == []
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": True})
    _press(page)
    expect(page).to_have_url(re.compile(rf"/t/{cast.acme.slug}/$"))
    page.goto("/profile/security")
    expect(page.get_by_text("last used")).to_be_visible()

    # Offered in the field for the address: here the device answers at once, and nothing is pressed.
    context.clear_cookies()
    page.goto("/sign-in")
    expect(page).to_have_url(re.compile(rf"/t/{cast.acme.slug}/$"))
    assert complaints == []
    context.close()


def _press(page: Page) -> None:
    """Press the button, unless the browser has offered the passkey by itself already."""
    if page.url.endswith("/sign-in"):
        page.get_by_role("button", name="Sign in with a passkey").click()
