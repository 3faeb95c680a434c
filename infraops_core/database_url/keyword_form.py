r"""The second form of a database URL, libpq's: `host=H port=5432 dbname=D user=U password='it\'s this'`.

Source: PostgreSQL documentation, "Database Connection Control Functions", section "Keyword/Value Connection Strings": a value
with a space in it, or an empty one, stands in single quotes; a backslash takes the sign after it as it is, in quotes or not.
"""

import re

from infraops_core.database_url import keywords
from infraops_core.database_url.refusal import refused

_SPACE = " \t\n\v\f\r"
_KEY = re.compile(rf"[{_SPACE}]*([^={_SPACE}]+)[{_SPACE}]*=[{_SPACE}]*")
_QUOTED = re.compile(r"'((?:[^'\\]|\\[\s\S])*)'")
_PLAIN = re.compile(rf"(?:[^\\{_SPACE}]|\\[\s\S])*")
_ESCAPED = re.compile(r"\\([\s\S])")


def is_meant(text: str) -> bool:
    """Whether a text that is no URL begins as this form does; `DATABASE_URL=postgresql://…`, a line of a shell's, does not."""
    return re.match(r"\s*[A-Za-z_]+\s*=(?!\s*[\"']?postgres(ql)?://)", text) is not None


def read(text: str) -> list[tuple[str, str]]:
    """The keywords in their order.

    :raises UserError: for what is no such form; of the text around a password nothing is named.
    """
    if re.search(r"[\x00\ud800-\udfff]", text):
        raise refused("the text holds a NUL or half a character")
    pairs: list[tuple[str, str]] = []
    position = 0
    while position < len(text.rstrip(_SPACE)):
        key = _KEY.match(text, position)
        if key is None:
            raise refused("a word is no KEY=VALUE; a value with a space in it, as a password may be, stands in single quotes")
        _check_key(key[1], after_password="password" in dict(pairs))
        form = _QUOTED if text[key.end() : key.end() + 1] == "'" else _PLAIN
        value = form.match(text, key.end())
        if value is None:
            raise refused(f"the value of {keywords.shortened(key[1])} begins with a quote and has none at its end")
        pairs.append((key[1], _ESCAPED.sub(r"\1", value[1] if form is _QUOTED else value[0])))
        position = value.end()
    return pairs


def _check_key(key: str, *, after_password: bool) -> None:
    """Refuse an unknown key here, for it may be the rest of a password that was not quoted, and must not be named then."""
    known = key in keywords.KEYWORDS or key in keywords.FOREIGN or key in (*keywords.WHO_WHERE_WHAT, "service")
    if not known and after_password and not keywords.suggestion(key):
        raise refused("after the password stands a key that nobody knows; a password with a space in it stands in single quotes")
