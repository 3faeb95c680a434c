"""A copy of a database, taken before migrations change it: what one goes back to when they turn out wrong.

`Snapshot` is what a target provides. `PgDumpSnapshot` is every Postgres'; a provider's own snapshots and branches come
with their targets. Nothing here deletes a snapshot.
"""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from infraops_core import checkout
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import client
from infraops_core.servers.embedded.binaries import Binaries

_LIMIT_SECONDS = 4 * 3600.0
_QUERY_SECONDS = 60
_LOCK_SECONDS = 60
_LIST_SECONDS = 120
_TELL_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_SPARE_BYTES = 64 * 2**20

_TABLES = """
select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    and (n.nspname, c.relname) not in (('public', 'schema_migrations'), ('public', 'schema_migrations_under_way'))
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.relpages desc, 1
"""
_DATA_BYTES = """
select greatest(0, pg_database_size(current_database()) - sum(relpages)::bigint * current_setting('block_size')::int)
from pg_class where relkind = 'i'
"""


@dataclass(frozen=True)
class Taken:
    """A snapshot that is complete: where it is, how big (0 where nobody says), and how long it took."""

    where: str
    bytes: int
    seconds: float


class Snapshot(Protocol):
    """A way to copy one database as it is now."""

    def take(self, label: str) -> Taken:
        """Copy it, and return once the copy is complete.

        :param label: what it is taken for; part of its name.
        :raises UserError: when there is no complete copy, and then nothing must be changed.
        """
        ...


def needed(access: Access) -> bool:
    """Whether the database has anything to lose: any table with a row, the ledger's apart.

    A row that this role may not see counts, for it would be lost like any other; so does a table that stays locked.

    :raises UserError: when the database can't be read.
    """
    import psycopg

    try:
        with access.connect(seconds=_QUERY_SECONDS) as connection:
            connection.execute("set lock_timeout = '2s'")
            connection.execute("set row_security = off")  # rather an error than rows left out in silence
            for (table,) in connection.execute(_TABLES).fetchall():
                try:
                    row = connection.execute(f"select exists (select from only {table})".encode()).fetchone()  # noqa: S608 - quoted by format
                except (psycopg.errors.InsufficientPrivilege, psycopg.errors.LockNotAvailable):
                    return True
                if row == (True,):
                    return True
    except psycopg.Error as error:
        raise _unreadable(access, error) from None
    return False


def folder_of(access: Access, base: Path | None = None) -> Path:
    """Where the snapshots of one database are, whether there are any or not; in `base` rather than the state folder, if it is given."""
    return (base or checkout.state_folder() / "snapshots") / _plain(access.endpoint)


@dataclass(frozen=True)
class PgDumpSnapshot:
    """The whole database by pg_dump's custom format, in a file of this machine's that only its user may read.

    :param access: the owner's, direct.
    :param folder: where to; by default the state folder's `snapshots`.
    :param seconds: how long it may take at most.
    """

    access: Access
    binaries: Binaries | None = None
    folder: Path | None = None
    seconds: float = _LIMIT_SECONDS

    def take(self, label: str) -> Taken:
        """Write the file beside its place, see that pg_restore reads it, and give it its name: complete or not there.

        It goes back by: pg_restore --clean --if-exists --dbname "$DIRECT_DATABASE_URL" FILE

        :raises UserError: when the disk is too full, pg_dump fails, or it takes longer than `seconds`.
        """
        began = time.monotonic()
        run = client.pg_dump(self.access, self.binaries)
        reader = client.pg_restore(run)
        folder = self._own_folder()
        _check_space(self.access, folder)
        final = folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{_plain(label)}.dump"
        unfinished = final.with_name(f"{final.name}.partial")
        print(f"Copying   {self.access.endpoint} to {final}")
        try:
            file = _new_file(unfinished)
            try:
                with file:
                    self._write(run, file, unfinished, began)
                    os.fsync(file.fileno())
                _check_readable(reader, unfinished)
                os.link(unfinished, final)  # unlike a rename it never replaces another's snapshot of the same second
            finally:
                unfinished.unlink(missing_ok=True)
        except FileExistsError:
            raise UserError("another snapshot of that name was taken in this second", where=str(final), next="run it again") from None
        except OSError as error:
            raise UserError(f"the snapshot cannot be written: {error.strerror}", where=str(final),
                            next="mend that, or name another folder with INFRAOPS_STATE; nothing was changed") from None  # fmt: skip
        _sync(folder)
        taken = Taken(str(final), final.stat().st_size, time.monotonic() - began)
        print(f"Copied    {self.access.endpoint}: {_size(taken.bytes)} in {taken.seconds:.1f} s")
        return taken

    def _own_folder(self) -> Path:
        """A folder a database, so that the files of one stand together in the order of their times."""
        folder = folder_of(self.access, self.folder)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"the folder for snapshots cannot be made: {error.strerror}", where=str(folder),
                            next="make its parent writable, or name another folder with INFRAOPS_STATE") from None  # fmt: skip
        return folder

    def _write(self, run: client.Client, file: IO[bytes], path: Path, began: float) -> None:
        command = run.command("--format=custom", f"--lock-wait-timeout={_LOCK_SECONDS}s")
        with subprocess.Popen(command, env=run.environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE,
                              encoding="utf-8", errors="replace") as dumping:  # fmt: skip
            try:
                complaint = self._watch(dumping, path, began)
            finally:
                dumping.kill()  # nothing once it has ended
        if dumping.returncode:
            raise UserError(f"pg_dump failed: {client.said(complaint)}", where=f"{self.access.endpoint} as {self.access.url.user}",
                            next="mend that, then run it again; nothing was changed")  # fmt: skip

    def _watch(self, dumping: "subprocess.Popen[str]", path: Path, began: float) -> str:
        """Wait for the end, tell how far it is, give up when the time or the disk is; what pg_dump said in the end."""
        told, pause = time.monotonic(), _LOOK_SECONDS
        while True:
            try:
                return dumping.communicate(timeout=pause)[1]
            except subprocess.TimeoutExpired:
                now, pause = time.monotonic(), 1.0
            if now - began > self.seconds:
                raise UserError(f"the snapshot was not complete within {self.seconds:g} s", where=self.access.endpoint,
                                next="take one by the provider's own means; nothing was changed")  # fmt: skip
            if shutil.disk_usage(path.parent).free < _SPARE_BYTES:
                raise _full(path.parent, "the disk is full before the snapshot is complete")
            if now - told >= _TELL_SECONDS:
                print(f"Copying   {self.access.endpoint}: {_size(path.stat().st_size)} after {now - began:.0f} s")
                told = now


def _check_space(access: Access, folder: Path) -> None:
    """Refuse to begin where the data without indexes would not fit; a dump is mostly much smaller, for it is compressed.

    Sizes by a look at each table would wait for those that are locked.
    """
    import psycopg

    try:
        with access.connect(seconds=_QUERY_SECONDS) as connection:
            row = connection.execute(_DATA_BYTES).fetchone()
    except psycopg.Error as error:
        raise _unreadable(access, error) from None
    assert row is not None
    free = shutil.disk_usage(folder).free
    if free < row[0] + _SPARE_BYTES:
        raise _full(folder, f"the disk is too full for a snapshot: the data are {_size(row[0])}, and {_size(free)} are free")


def _new_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _check_readable(reader: str, path: Path) -> None:
    try:
        ran = subprocess.run([reader, "--list", str(path)], capture_output=True, encoding="utf-8", errors="replace",
                             timeout=_LIST_SECONDS, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        trouble = client.said(ran.stderr) if ran.returncode else ""
    except subprocess.TimeoutExpired:
        trouble = f"it gave no answer within {_LIST_SECONDS} s"
    if trouble:
        raise UserError(f"pg_restore cannot read the snapshot: {trouble}", where=str(path), next="run it again; nothing was changed")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(text: str) -> str:
    """A name for a file."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_.") or "snapshot"


def _size(number: int) -> str:
    return f"{number / 2**20:.1f} MiB" if number < 2**30 else f"{number / 2**30:.1f} GiB"


def _full(folder: Path, what: str) -> UserError:
    return UserError(what, where=str(folder),
                     next="free some space, or name another folder with INFRAOPS_STATE; nothing was changed")  # fmt: skip


def _unreadable(access: Access, error: Exception) -> UserError:
    diag = getattr(error, "diag", None)
    told = getattr(diag, "message_primary", None) or " ".join(str(error).split())
    return UserError(f"the database could not be read: {told}", where=f"{access.endpoint} as {access.url.user}",
                     next="see that the server runs and lets the owner in; then run it again")  # fmt: skip
