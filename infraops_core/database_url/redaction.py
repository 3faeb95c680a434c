"""Texts without the passwords in them."""

import re

# Up to the last @ of the line. Where the line has none and no port follows, the password has a line end in it.
_PASSWORD_AFTER_USER = re.compile(r"(?s)(?P<before>://[^\n:]*:)(?:[^\n]*|(?![0-9]{1,5}(?:[/?\s]|$)).{0,200}?\n[^\n]*)(?P<at>@)")
_PASSWORD_IN_QUERY = re.compile(r"(?i)(?P<before>[?&]\w*pass\w*=)[^&\s]+")
_PASSWORD_BY_NAME = re.compile(
    r"""(?ix) (?P<before> (?<![?&\w]) \w*pass (?: \w*["']?\s*= | \w*["']\s*: | (?:word|wd)?\s*: | word\s+(?=') ) \s*)
    (?: '(?:[^'\\]|\\[\s\S]|'')*' | "(?:[^"\\]|\\[\s\S])*" | (?:\\[\s\S]|[^\s\\]|\\$)+ )"""
)
_SECRET_PARAMETER = re.compile(r"(?i)pass(?!file)|secret|scram_|token")
_SECRET_OPTION = re.compile(
    r"""(?ix) (?P<before> [\w.-]* (?:pass|secret|token|credential) [\w.-]* (?:\\?\s)* = (?:\\?\s)* ) (?:\\[\s\S]|[^\s\\]|\\$)+"""
)


def redact(text: str) -> str:
    """`text`, whatever it is, with everything that looks like a password replaced by `***`."""
    shown = _PASSWORD_AFTER_USER.sub(r"\g<before>***\g<at>", text)
    return _PASSWORD_BY_NAME.sub(r"\g<before>***", _PASSWORD_IN_QUERY.sub(r"\g<before>***", shown))


def hidden(key: str, value: str) -> str:
    """The value of a URL's parameter as it may be shown; in `options`, a setting's value is hidden by the setting's name."""
    if _SECRET_PARAMETER.search(key):
        return "***"
    return _SECRET_OPTION.sub(r"\g<before>***", value) if key == "options" else value
