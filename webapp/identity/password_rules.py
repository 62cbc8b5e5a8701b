"""What a password must be (NIST SP 800-63B-4, 3.1.1.2): long, and not among those that are tried first. Nothing else.

No rule says which characters it has, nothing of it is cut off, and it is compared as Unicode's NFC, so that it does not
matter which keyboard wrote an accent.
"""

from functools import cache
from itertools import pairwise
from unicodedata import normalize

from webapp.kernel.errors import N_, FieldError

LENGTH_MIN = 15
"""Of a password that is the only factor."""
LENGTH_MIN_WITH_SECOND = 8
"""Of a password beside a second factor."""
LENGTH_MAX = 1024
DIFFERENT_MIN = 5
"""A password of fewer different characters is easy to guess, however long."""
REPEATED_MAX = 10
CONTEXT_WORD_MIN = 4
REST_MIN = 8
"""So much must remain of a password without the words that anybody would try for this account."""
PRODUCT = "comptoir"
_ROWS = "1234567890 qwertyuiop asdfghjkl zxcvbnm azertyuiop qsdfghjklm wxcvbn qwertzuiop yxcvbnm"
PROBLEMS = {
    "password_short": N_("The password needs at least %(minimum)s characters; several words are fine."),
    "password_long": N_("The password may have at most %(maximum)s characters."),
    "password_common": N_("This password is too easy to guess."),
}


def normalised(password: str) -> str:
    """Return the password as it is compared: the same for every way of writing its characters."""
    return normalize("NFC", password)


def password_errors(password: str, *, email: str, name: str = "", has_second_factor: bool = False) -> list[FieldError]:
    """Return what is wrong with a new password, in words."""
    problem = password_problem(password, email=email, name=name, has_second_factor=has_second_factor)
    if problem is None:
        return []
    params = {"minimum": length_min(has_second_factor=has_second_factor), "maximum": LENGTH_MAX}
    return [FieldError("password", problem, PROBLEMS[problem], params)]


def length_min(*, has_second_factor: bool) -> int:
    """Return the fewest characters of a password."""
    return LENGTH_MIN_WITH_SECOND if has_second_factor else LENGTH_MIN


def is_too_short(password: str, *, has_second_factor: bool) -> bool:
    """Tell whether a password is shorter than it must be: it was chosen beside a second factor that is gone."""
    return len(normalised(password)) < length_min(has_second_factor=has_second_factor)


def password_problem(password: str, *, email: str, name: str = "", has_second_factor: bool = False) -> str | None:
    """Return the code of what is wrong with a new password, or None."""
    password = normalised(password)
    if is_too_short(password, has_second_factor=has_second_factor):
        return "password_short"
    if len(password) > LENGTH_MAX:
        return "password_long"
    folded = password.casefold()
    letters = "".join(filter(str.isalpha, folded))
    is_easy = (
        len(set(folded)) < DIFFERENT_MIN
        or _repeats(folded)
        or _repeats(letters)
        or _runs(folded)
        or _is_of_context(folded, email=email, name=name)
        or folded in _common()
        or folded.rstrip("0123456789.!?#*-_ ") in _common()
    )
    return "password_common" if is_easy else None


@cache
def _common() -> frozenset[str]:
    """Return the passwords that are used most; they are loaded when the first password is set."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - a megabyte that no start needs

    return frozenset(FREQUENCY_LISTS["passwords"])


def _is_of_context(folded: str, *, email: str, name: str) -> bool:
    """Tell whether little remains without the words of the address, the name and the product."""
    local, _, domain = email.casefold().partition("@")
    words = {PRODUCT, email.casefold(), local, domain, *local.replace(".", " ").split(), *domain.split(".")}
    words |= set(normalised(name).casefold().split())
    rest = folded
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= CONTEXT_WORD_MIN:
            rest = rest.replace(word, "")
    return rest != folded and sum(map(str.isalnum, rest)) < REST_MIN


def _repeats(text: str) -> bool:
    """Tell whether a text is one short word over and over: `letmeinletmein`."""
    period = (text + text).find(text, 1) if text else 0
    return 0 < period < len(text) and period <= REPEATED_MAX


def _runs(text: str) -> bool:
    """Tell whether most of a text runs along the alphabet, the digits or a row of keys: `qwertyuiop123456`."""
    steps = [first + second for first, second in pairwise(text)]
    easy = [step for step in steps if abs(ord(step[1]) - ord(step[0])) <= 1 or step in _ROWS or step[::-1] in _ROWS]
    return len(easy) > len(steps) * 0.7
