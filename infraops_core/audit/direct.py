"""One statement as libpq itself runs it, sent and answered in one call.

For the append of one row, which everything waits for: a cursor of psycopg's takes 45 µs more of a processor.
Who waits in it is cut off by the connection's deadline; a Ctrl-C is heeded once the server has answered or the deadline is over.
"""

from typing import Any
from weakref import WeakKeyDictionary

from psycopg import errors
from psycopg.pq import ExecStatus, Format

from infraops_core.audit.connections.connections import Connection

_prepared: "WeakKeyDictionary[Connection, dict[bytes, bytes]]" = WeakKeyDictionary()


def execute(connection: Connection, statement: bytes, parameters: list[Any]) -> bytes:
    """The one value, in binary form, that `statement` returns.

    It is prepared, except where the connection says not to prepare (`prepare_threshold` None: a pooler is in between).

    :raises psycopg.Error: as a cursor would.
    """
    values: Any = [None if value is None else value.encode() if isinstance(value, str) else str(value).encode() for value in parameters]
    pgconn = connection.pgconn
    if connection.prepare_threshold is None:
        result = pgconn.exec_params(statement, values, None, None, Format.BINARY)
    else:
        result = pgconn.exec_prepared(_name(connection, statement), values, None, Format.BINARY)
    if result.status != ExecStatus.TUPLES_OK:
        raise errors.error_from_result(result)
    return result.get_value(0, 0) or b""


def _name(connection: Connection, statement: bytes) -> bytes:
    """What the statement is called on this connection, once it is prepared."""
    names = _prepared.get(connection)
    if names is None:
        names = _prepared[connection] = {}
    name = names.get(statement)
    if name is None:
        name = b"infraops_%d" % len(names)
        result = connection.pgconn.prepare(name, statement)
        if result.status != ExecStatus.COMMAND_OK:
            raise errors.error_from_result(result)
        names[statement] = name
    return name
