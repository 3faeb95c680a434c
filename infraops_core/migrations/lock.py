"""One runner at a time: an advisory lock that is tried again and again.

It is never waited for, since a statement that waits holds a snapshot, CREATE INDEX CONCURRENTLY of the lock's holder waits
for that snapshot, and so each would wait for the other.
"""

import time

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations.ledger import LOCK_HALVES, LOCK_KEY
from infraops_core.migrations.transport import Transport

_SECONDS = 60
_TOLD_AFTER_SECONDS = 1
_FIRST_PAUSE_SECONDS, _PAUSE_SECONDS = 0.01, 0.2
_HOLDER = """
select l.pid::text from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.classid = $1::oid and l.objid = $2::oid
"""


def hold(transport: Transport, access: Access) -> None:
    """Have the lock until the transport is closed.

    :raises UserError: when another runner has had it for longer than a minute, naming its server process.
    """
    began = time.monotonic()
    pause, is_told = _FIRST_PAUSE_SECONDS, False
    while not transport.try_lock(LOCK_KEY):
        waited = time.monotonic() - began
        if waited > _SECONDS:
            rows = transport.run(_HOLDER, LOCK_HALVES)
            holder = rows[0][0] if rows else "unknown"
            raise UserError(f"another runner has been applying migrations for more than {_SECONDS:g} s",
                            where=f"{access.endpoint}, server process {holder}",
                            next=f"let it end, or: select pg_terminate_backend({holder}); then run it again")  # fmt: skip
        if waited > _TOLD_AFTER_SECONDS and not is_told:
            print(f"Waiting   another runner is applying migrations; for up to {_SECONDS:g} s")
            is_told = True
        time.sleep(pause)
        pause = min(2 * pause, _PAUSE_SECONDS)
