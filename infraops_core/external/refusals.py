"""Why a database that is not ours lets nobody in, in words of who gave its URL.

A refused connection has a text and no code (PostgreSQL documentation, "Connection Status Functions": PQerrorMessage), so it
is known by that, in English; another text is told as it is.
"""

import re
from dataclasses import dataclass

from infraops_core.access import Access
from infraops_core.errors import UserError


@dataclass(frozen=True)
class Refusal:
    """A refusal by its text; `what` and `next` may name `{user}`, `{host}`, `{port}`, `{database}`, `{name}` (as
    SQL writes the database's), `{said}` and `{store}` (the command that stores the URL)."""

    says: re.Pattern[str]
    what: str
    next: str


REFUSALS = (
    Refusal(
        re.compile(r"password authentication failed|no password supplied|SASL authentication failed|empty password"),
        "{user} is not let in with that password",
        "take the one that counts now from its provider: {store}",
    ),
    Refusal(
        re.compile(r'database ".*" does not exist'),
        "there is no database {database} on that server",
        "make it there (create database {name}), or name another: {store}",
    ),
    Refusal(
        re.compile(r"server does not support SSL"),
        "the server offers no TLS, and its URL demands it",
        "have TLS turned on there",
    ),
    Refusal(
        re.compile(r"no pg_hba\.conf entry"),
        "the server does not let {user} in from this machine: {said}",
        "allow this machine's address at its provider; where it says no encryption, put sslmode=require into the URL: {store}",
    ),
    Refusal(
        re.compile(r"certificate.*(expired|valid from)"),
        "the server's certificate is not accepted: {said}",
        "have it renewed there, and look at this machine's clock",
    ),
    Refusal(
        re.compile(r"certificate.*does not match host name"),
        "the server's certificate is not accepted: {said}",
        "name a host that it is for; hostaddr or INFRAOPS_HOSTS say where that one is: {store}",
    ),
    Refusal(
        re.compile(r"certificate|root\.crt|sslrootcert"),
        "the server's certificate is not accepted: {said}",
        "give the provider's CA by sslrootcert=FILE in the URL: {store}",
    ),
    Refusal(
        re.compile(r"role \".*\" does not exist|not permitted to log in|Tenant or user not found"),
        "there is no {user} who may log in there",
        "mend the user in the URL: {store}",
    ),
    Refusal(
        re.compile(r"failed to resolve host|Name or service not known"),
        "there is no host {host}",
        "mend the URL: {store}",
    ),
    Refusal(
        re.compile(r"Connection refused"),
        "nothing listens on {host}:{port}",
        "see that the server runs and the port is right: {store}",
    ),
    Refusal(
        re.compile(r"gave no answer within|timeout expired|No route to host|Network is unreachable"),
        "{host}:{port} gives no answer: {said}",
        "see that it runs, is not asleep, and lets this machine's address through its firewall",
    ),
    Refusal(
        re.compile(r"too many connections|remaining connection slots|max_client_conn"),
        "the server is full: {said}",
        "close connections there, or raise its limit",
    ),
)

_PREFIX = re.compile(r'(connection failed: )?connection to server at "[^"]*"( \([^)]*\))?, port [0-9]+ failed: ((FATAL|ERROR): +)?')


def explained(said: str, access: Access, setting: str, stack: str) -> UserError:
    """The refusal in our words.

    :param said: what the server or libpq said.
    :param setting: the setting that holds the URL.
    """
    words = {
        "user": access.url.user,
        "host": access.url.host,
        "port": access.url.port,
        "database": access.url.database,
        "name": in_sql(access.url.database),
        "said": _PREFIX.sub("", " ".join(said.split())),
        "store": f"infraops secret set {stack} {setting}",
    }
    for refusal in REFUSALS:
        if refusal.says.search(said):
            return UserError(
                refusal.what.format(**words), where=place(access, setting), next=f"{refusal.next.format(**words)}; then: pulumi up"
            )
    return UserError(
        f"the database cannot be looked at: {words['said']}", where=place(access, setting), next="mend what it says, then: pulumi up"
    )


def place(access: Access, setting: str) -> str:
    """Where it was met: the setting, the server and who asked."""
    return f"infraops:{setting}, {access.endpoint} as {access.url.user}"


def in_sql(name: str) -> str:
    """A name as a statement must write it."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
