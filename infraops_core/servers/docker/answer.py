"""A server's first answer: to its admin, over the published port, which is what being ready means."""

import time
from typing import TYPE_CHECKING

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.servers.docker import containers, endings
from infraops_core.servers.docker.containers import State

if TYPE_CHECKING:
    from docker.models.containers import Container

_TRY_SECONDS = 10
_ANSWER_SECONDS = 30
_RECOVERY_SECONDS = 300
_STARTING = ("the database system is starting up", "the database system is not yet accepting connections")


def first(container: "Container", access: Access) -> tuple[str, str] | None:
    """The server's version and its cluster's own number; `None` from one that runs and gives no answer for 30 s.

    :raises UserError: when it refuses the password, has ended, or reads its log for more than 300 s.
    """
    import psycopg

    begun = time.monotonic()
    restarts = _restarts(container)
    while True:
        try:
            with access.connect(seconds=_TRY_SECONDS) as connection:
                row = connection.execute(
                    "select current_setting('server_version'), system_identifier::text from pg_control_system()"
                ).fetchone()
            assert row is not None
            return row[0].split()[0], row[1]
        except psycopg.OperationalError as error:
            said = " ".join(str(error).split())
        if "password authentication failed" in said:
            raise UserError(
                f"the server in this volume does not know this stack's password of {access.url.user}: "
                "it was made under another state or another passphrase",
                where=f"container {container.name}",
                next="restore that state, or name another volume (infraops:volume) to begin with an empty database",
            )
        if containers.state(container) in (State.DOWN, State.ENDING_AGAIN_AND_AGAIN) or _restarts(container) > restarts:
            ending = endings.ended(container)
            containers.stop(container)  # or the engine would start it again and again
            raise ending
        recovering = any(words in said for words in _STARTING)
        if time.monotonic() - begun > (_RECOVERY_SECONDS if recovering else _ANSWER_SECONDS):
            if recovering:
                raise UserError(
                    f"the server is not ready after {_RECOVERY_SECONDS} s: {said}",
                    where=f"container {container.name}",
                    next="after a crash it reads its log first; when that has ended, run it again",
                )
            return None
        time.sleep(0.2)


def silent(container: "Container", access: Access) -> UserError:
    """The error for a server that gives no answer even after a restart."""
    inside = container.exec_run(["pg_isready", "--host", "127.0.0.1", "--timeout", "5"])
    if inside.exit_code == 0:
        return UserError(
            f"the server answers in its container, and {access.url.host}:{access.url.port} of this machine does not lead to it",
            where=f"container {container.name}",
            next="run this where the engine publishes its ports: it may be another machine's, or outside of the container you are in",
        )
    return UserError(
        "the server runs but gives no answer",
        where=f"container {container.name}",
        next=f"docker logs {container.name}, mend what it says, then run it again",
    )


def _restarts(container: "Container") -> int:
    """How often the engine has started it again by itself."""
    return int(container.attrs.get("RestartCount") or 0)
