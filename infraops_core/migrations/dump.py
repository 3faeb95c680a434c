"""A database's schema as one text to commit and review: the same text for the same schema, whenever and wherever made.

It is pg_dump's, without what differs from run to run or from one minor version to the next: the random key of
\\restrict, the version comments, and a setting that only newer servers know. Owners are left out, for each target names
its own; privileges are in, for they are part of the promise. At its end stands the ledger, as dbmate writes it.
"""

import re
import subprocess
from collections.abc import Sequence

from infraops_core.access import Access, message
from infraops_core.errors import UserError
from infraops_core.migrations import client
from infraops_core.servers.embedded.binaries import Binaries

_SECONDS = 300
_LOCK_SECONDS = 30
_LEDGER = "public.schema_migrations"
_VARYING = re.compile(
    r"^(?:\\(?:un)?restrict [A-Za-z0-9]+|-- Dumped (?:from database|by pg_dump) version .*|SET transaction_timeout = 0;)\n", re.MULTILINE
)
_FIRST_OBJECT = re.compile(r"^-- (?:Name|Data for Name): ", re.MULTILINE)
_END = "\n--\n-- PostgreSQL database dump complete\n--\n"
_BLANK_LINES = re.compile(r"\n{3,}")


def dump(access: Access, binaries: Binaries | None = None) -> str:
    """The schema and the ledger's versions, as a script for psql or for dbmate's `load`.

    :param access: the owner's, direct.
    :param binaries: where a pg_dump may be; one on PATH will do as well.
    :raises UserError: when there is no pg_dump for this server, or it fails.
    """
    return schema(access, binaries) + _ledger(access)


def schema(access: Access, binaries: Binaries | None = None, *, options: Sequence[str] = ()) -> str:
    """The schema alone.

    :param options: more of pg_dump's, such as `--schema=NAME`.
    """
    run = client.pg_dump(access, binaries)
    command = run.command("--schema-only", "--no-owner", "--encoding=UTF8", f"--lock-wait-timeout={_LOCK_SECONDS}s", *options)
    try:
        ran = subprocess.run(command, env=run.environment, capture_output=True, encoding="utf-8", timeout=_SECONDS, check=False,
                             stdin=subprocess.DEVNULL)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"pg_dump of the schema did not end within {_SECONDS} s", where=access.endpoint,
                        next="see what the server is busy with, then run it again") from None  # fmt: skip
    if ran.returncode:
        raise UserError(f"pg_dump could not read the schema: {client.said(ran.stderr)}", where=f"{access.endpoint} as {access.url.user}",
                        next="mend that, then run it again, as the database's owner")  # fmt: skip
    return _steady(ran.stdout)


def _steady(text: str) -> str:
    """Without what varies; only before the first object and after the last, for a function's text may hold such lines."""
    first = _FIRST_OBJECT.search(text)
    begin = first.start() if first else text.rindex(_END) if _END in text else 0
    end = text.rindex(_END) if _END in text else len(text)
    head = _BLANK_LINES.sub("\n\n", _VARYING.sub("", text[:begin]))
    tail = _VARYING.sub("", text[end:])
    return f"{head}{text[begin:end]}{tail.rstrip()}\n"


def _ledger(access: Access) -> str:
    """The ledger's rows, oldest first; with the checksums where it has them. Times and durations are of one database only."""
    import psycopg

    try:
        with access.connect(seconds=_SECONDS) as connection:
            columns = [row[0] for row in connection.execute(
                "select attname::text from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped "
                "and attname in ('version', 'checksum') order by attname desc", [_LEDGER])]  # fmt: skip
            if not columns:
                return ""
            literals = ", ".join(f"quote_nullable({column})" for column in columns)
            query = f"select concat_ws(', ', {literals}) from {_LEDGER} order by version collate \"C\""  # noqa: S608 - our own names
            rows = [row[0] for row in connection.execute(query.encode())]
    except psycopg.Error as error:
        told = message(error)
        raise UserError(f"the ledger could not be read: {told}", where=f"{access.endpoint} as {access.url.user}",
                        next="mend that, then run it again, as the database's owner") from None  # fmt: skip
    values = ",\n".join(f"    ({row})" for row in rows)
    insert = f"INSERT INTO {_LEDGER} ({', '.join(columns)}) VALUES\n{values};\n" if rows else ""
    return f"\n\n--\n-- Dbmate schema migrations\n--\n\n{insert}"
