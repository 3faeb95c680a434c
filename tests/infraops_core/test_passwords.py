"""Passwords that no human types."""

import re
from urllib.parse import quote

from infraops_core import passwords


def test_a_password_is_long_and_needs_no_escaping_in_a_url() -> None:
    for password in (passwords.generate() for _ in range(100)):
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", password)
        assert quote(password, safe="") == password


def test_no_password_comes_twice() -> None:
    assert len({passwords.generate() for _ in range(1000)}) == 1000
