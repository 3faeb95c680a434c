"""Checks of the log-ins: each role whose URL is at hand gets in with its password."""

from functools import partial
from typing import TYPE_CHECKING

from infraops_core.access import message
from infraops_core.doctor.check import Found, failed, passed
from infraops_core.doctor.subject import Role, Subject

if TYPE_CHECKING:
    from psycopg import Error


def log_in(role: Role, subject: Subject) -> Found:
    """The role gets in, and stays in for the checks after this one."""
    import psycopg

    access = subject.way(role)
    try:
        connection = subject.log_in(role)
    except psycopg.Error as error:
        return failed(f"{access.url.user} is not let in: {message(error)}", _remedy(error, role, subject))
    encrypted = "with TLS" if connection.pgconn.ssl_in_use else "without TLS"
    return passed(f"{access.url.user} is in {access.url.database}, {encrypted}")


APP, OWNER, READONLY, ADMIN = (partial(log_in, role) for role in Role)


def _remedy(error: "Error", role: Role, subject: Subject) -> str:
    """By what the server said: for a connection that was never made libpq has no code, only a text."""
    said, again = message(error), "; then run it again"
    if "password authentication failed" in said or "no password supplied" in said or ("not permitted" in said and subject.stack):
        return _password(role, subject)
    if "not permitted to log in" in said and subject.stack is None:
        return f"as the admin: alter role {subject.way(role).url.user} login" + again
    if "too many" in said or "remaining connection slots" in said:
        return "end what holds connections, or raise infraops:connectionLimit (or max_connections of the server)" + again
    if "no pg_hba.conf entry" in said:
        return "let this machine and this role in (pg_hba.conf, or the provider's list of addresses)" + again
    if "does not exist" in said:
        return f"see that {role.variable} names the right database and role" + again
    if "certificate" in said or "SSL" in said:
        return "see what the checks of tls say of it" + again
    return "see that the server runs and lets the role in" + again


def _password(role: Role, subject: Subject) -> str:
    if subject.stack is None:
        return f"put the right password into {role.variable} (infraops env STACK --direct prints a stack's URLs)"
    roles = subject.deployment.of_type("Roles") if subject.deployment else []
    if role is Role.ADMIN or not roles:
        return "see who changed the password; the stack's secret for it has to be the new one"
    return f"give the roles the stack's passwords again: pulumi up --stack {subject.stack.name} --replace '{roles[0].urn}'"
