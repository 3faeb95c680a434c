"""A server's first answer: to its admin, over the published port, which is what being ready means."""

import time
from typing import TYPE_CHECKING

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.servers import first_answer
from infraops_core.servers.docker import containers, endings
from infraops_core.servers.docker.containers import State
from infraops_core.servers.first_answer import Silence

if TYPE_CHECKING:
    from docker.models.containers import Container


def first(container: "Container", access: Access) -> tuple[str, str] | None:
    """The server's version and its cluster's own number; `None` from one that runs and gives no answer for 30 s.

    :raises UserError: when it refuses the password, has ended, or reads its log for more than 300 s.
    """
    begun = time.monotonic()
    restarts = _restarts(container)
    where = f"container {container.name}"
    while True:
        told = first_answer.ask(access, data_in="volume", where=where, otherwise="name another volume (infraops:volume)")
        if not isinstance(told, Silence):
            return told
        if containers.state(container) in (State.DOWN, State.ENDING_AGAIN_AND_AGAIN) or _restarts(container) > restarts:
            ending = endings.ended(container)
            containers.stop(container)  # or the engine would start it again and again
            raise ending
        if time.monotonic() - begun > told.seconds:
            if told.is_recovery:
                raise UserError(
                    f"the server is not ready after {told.seconds} s: {told.said}",
                    where=where,
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
