"""What a server says that lacks something of a provider's, or has not an extension.

The names are in `infraops_core.providers.names`.
"""

import re

from infraops_core.providers.names import ROLES, SCHEMAS

# What a server of no provider says when it meets such a name (PostgreSQL 16 to 18, untranslated).
_ROLE = re.compile(r'^role "(?P<name>[^"]+)" does not exist$')
_MISSING = re.compile(
    r'^(?:schema "(?P<schema>[^"]+)"|(?:function|procedure|routine|type|relation|aggregate|operator) "?(?P<name>[A-Za-z_][\w$]*)\.\S.*) '
    r"does not exist$"
)
_NO_EXTENSION = re.compile(r'^(?:extension "(?P<name>[^"]+)" is not available|language "(?P<language>[^"]+)" does not exist)$')
_NO_RIGHT = re.compile(r'^permission denied to create extension "(?P<name>[^"]+)"$')

_NO_TABLESPACE = re.compile(r'^tablespace "(?P<name>[^"]+)" does not exist$')


def missing_role(said: str) -> str | None:
    """The provider's role that the server does not know."""
    match = _ROLE.match(said)
    return match["name"] if match and match["name"] in ROLES else None


def missing_schema(said: str) -> str | None:
    """The provider's schema that the server does not know."""
    match = _MISSING.match(said)
    name = (match["schema"] or match["name"]) if match else None
    return name if name in SCHEMAS else None


def missing_extension(said: str) -> str | None:
    """The extension that this server has not; a language is one as well."""
    match = _NO_EXTENSION.match(said)
    return (match["name"] or match["language"]) if match else None


def missing_tablespace(said: str) -> str | None:
    """The tablespace that the server has not, as no provider's will."""
    match = _NO_TABLESPACE.match(said)
    return match["name"] if match else None


def refused_extension(said: str) -> str | None:
    """The extension that only a superuser may make."""
    match = _NO_RIGHT.match(said)
    return match["name"] if match else None
