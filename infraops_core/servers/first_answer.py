"""A server's first answer, to its admin over TCP, which is what being ready means."""

from dataclasses import dataclass

from infraops_core.access import Access
from infraops_core.errors import UserError

ANSWER_SECONDS = 30
RECOVERY_SECONDS = 300
_TRY_SECONDS = 10
_STARTING = ("the database system is starting up", "the database system is not yet accepting connections")
_WHICH = "select current_setting('server_version'), system_identifier::text from pg_control_system()"


@dataclass(frozen=True)
class Silence:
    """No answer yet, and what was said instead."""

    said: str

    @property
    def is_recovery(self) -> bool:
        """Whether the server reads its log first, as it does after a crash."""
        return any(words in self.said for words in _STARTING)

    @property
    def seconds(self) -> int:
        """How long it may last."""
        return RECOVERY_SECONDS if self.is_recovery else ANSWER_SECONDS


def ask(access: Access, *, data_in: str, where: str, otherwise: str) -> tuple[str, str] | Silence:
    """The server's version and its cluster's own number, or why it does not tell yet; ends within 10 s.

    :param data_in: what holds the data, as a message says it: folder, volume.
    :param otherwise: what to do to begin with an empty database.
    :raises UserError: when it refuses the password.
    """
    import psycopg

    try:
        with access.connect(seconds=_TRY_SECONDS) as connection:
            row = connection.execute(_WHICH).fetchone()
        assert row is not None
        return row[0].split()[0], row[1]
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
    if "password authentication failed" in said:
        raise UserError(
            f"the server in this {data_in} does not know this stack's password of {access.url.user}: "
            "it was made under another state or another passphrase",
            where=where,
            next=f"restore that state, or {otherwise} to begin with an empty database",
        )
    return Silence(said)
