"""What the commands of `infraops audit` do with a database: open it, verify it, tell what was found."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from infraops_cli.databases import Chosen
from infraops_cli.progress import Progress
from infraops_core.access import message
from infraops_core.audit.chain import heads, keys
from infraops_core.audit.chain import prune as pruning
from infraops_core.audit.chain import verify as verifying
from infraops_core.audit.chain.heads import Head
from infraops_core.audit.chain.prune import Pruned
from infraops_core.audit.chain.verify import Verdict
from infraops_core.errors import ExitCode, UserError
from infraops_core.wording import counted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from psycopg import Connection, Error

_SECONDS = 24 * 3600
_QUERY_SECONDS = 600
# A table that hides rows from this role: row-level security binds it, and no policy lets it see all, or one narrows that again.
_HIDES_ROWS = """
select t.oid::regclass::text from pg_class t
where t.relnamespace = 'infraops_audit'::regnamespace and t.relkind = 'r' and row_security_active(t.oid) and coalesce((
    select not bool_or(polpermissive and pg_get_expr(polqual, polrelid) = 'true') or bool_or(not polpermissive)
    from pg_policy
    where polrelid = t.oid and polcmd in ('r', '*')
        and exists (select from unnest(polroles) as role where role = 0 or pg_has_role(role, 'usage'))
), true)
order by 1 limit 1
"""


@dataclass(frozen=True)
class Trusted:
    """Heads exported earlier, and the public key that anchors have to be signed with, if one is known."""

    heads: Sequence[Head]
    key: bytes | None


@contextmanager
def opened(chosen: Chosen, *, seconds: float = _QUERY_SECONDS) -> "Iterator[Connection]":
    """A connection that sees the trail as of one moment.

    :raises UserError: with exit code 3 when it can't be reached or read.
    """
    with _told(chosen), chosen.access.connect(seconds=seconds) as connection, verifying.one_moment(connection):
        _check_sees_all(connection, chosen)
        yield connection


def read_heads(files: Sequence[Path], key: Path | None, say: Callable[[str], None]) -> Trusted:
    """The heads of all `files`, each signed with `key`; without one, with the key that the first file names itself.

    :raises UserError: for a file that is none, that was altered, or that another key signed.
    """
    public = keys.raw(keys.public_key(key)) if key else None
    found: list[Head] = []
    for file in files:
        try:
            signed = heads.read(file.read_bytes(), str(file))
        except OSError as error:
            raise UserError(f"the heads cannot be read: {error.strerror}", where=str(file), next="name a file of infraops audit heads",
                            code=ExitCode.COULD_NOT_CHECK) from None  # fmt: skip
        if public is None:
            public = signed.public_key
            say(f"Trusting  key {keys.fingerprint(public)}, which {file} names itself; --key PUBLIC.pem says which it has to be")
        if signed.public_key != public:
            raise UserError(f"the heads are signed with another key, {keys.fingerprint(signed.public_key)}", where=str(file),
                            next=f"use heads signed with {keys.fingerprint(public)}", code=ExitCode.FOUND_BAD)  # fmt: skip
        found += signed.heads
    return Trusted(found, public)


def verify(chosen: Chosen, trusted: Trusted, tenant: str, progress: Progress) -> Verdict:
    """Verify the whole trail, or one tenant's.

    :raises UserError: with exit code 3 when it can't be reached or read, and for a tenant of whom nothing is known.
    """
    with progress.under_way("Verifying"), opened(chosen, seconds=_SECONDS) as connection:
        verdict = verifying.verify(connection, trusted.heads, tenant=tenant, key=trusted.key,
                                   progress=_shown_by(progress))  # fmt: skip
    if tenant and verdict == Verdict(0, 0, 0, ()):
        raise UserError(f"tenant {tenant} has no row, no anchor and no signed head: there is nothing to verify", where=chosen.name,
                        next="see which tenants there are: infraops audit heads", code=ExitCode.COULD_NOT_CHECK)  # fmt: skip
    return verdict


def text(verdict: Verdict) -> str:
    """A line a finding, and the sum."""
    lines = [f"Found     {finding}" for finding in verdict.findings]
    looked = f"{counted(verdict.rows, 'row')} in {counted(verdict.chains, 'chain')}, {counted(verdict.heads, 'head')}"
    return "\n".join([*lines, f"Verified  {looked}: " + (f"{len(lines)} broken" if lines else "all whole")])


def as_json(verdict: Verdict) -> str:
    """The verdict as an object."""
    return json.dumps(asdict(verdict), indent=2)


def prune(chosen: Chosen, tenant: str, before: datetime, key: "Ed25519PrivateKey", *, yes: bool, progress: Progress) -> list[Pruned]:
    """Say what would go, ask, and remove it.

    :raises UserError: where there is no terminal to ask on, nothing to remove, or a chain that is not whole (exit code 2).
    :raises typer.Abort: for a no.
    """
    if not yes and not sys.stdin.isatty():
        raise UserError(f"prune deletes rows of tenant {tenant} for good and asks first, and there is no terminal to ask on",
                        where=chosen.name, next="run it on a terminal, or with --yes")  # fmt: skip
    with _told(chosen, "no row was pruned", ExitCode.USER_ERROR), chosen.access.connect(seconds=_QUERY_SECONDS) as connection:
        cut = pruning.prunable(connection, tenant, before)
    if not cut:
        raise UserError(f"nothing to prune: tenant {tenant} has no row recorded before {before.isoformat()}, "
                        "but for each chain's newest, which stays",
                        where=chosen.name, next="name another tenant or a later day")  # fmt: skip
    for head in cut:
        progress.say(f"Pruning   {head.chain}, tenant {tenant}: every row up to {head.seq}")
    if not yes:
        typer.confirm(f"Delete them from {chosen.name} for good?", abort=True, err=True)
    with (
        _told(chosen, "no row was pruned", ExitCode.USER_ERROR),
        chosen.access.connect(seconds=_SECONDS) as connection,
        progress.under_way(f"Pruning {tenant}"),
    ):
        return pruning.prune(connection, cut, key, progress=_shown_by(progress))


def _shown_by(progress: Progress) -> verifying.Progress:
    return lambda chain, rows: progress.doing(f"Verifying {chain}: {rows:,} rows")


def _check_sees_all(connection: "Connection", chosen: Chosen) -> None:
    """Row-level security may hide rows from a role, and a chain unseen is not a chain that is whole."""
    hiding = connection.execute(_HIDES_ROWS).fetchone()
    if hiding:
        raise UserError(f"{chosen.access.url.user} does not see every tenant's rows of {hiding[0]}", where=chosen.access.endpoint,
                        next="use READONLY_DATABASE_URL or DIRECT_DATABASE_URL", code=ExitCode.COULD_NOT_CHECK)  # fmt: skip


@contextmanager
def _told(chosen: Chosen, what: str = "the audit trail could not be checked", code: ExitCode = ExitCode.COULD_NOT_CHECK) -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise UserError(f"{what}: {message(error)}", where=f"{chosen.access.endpoint} as {chosen.access.url.user}",
                        next=f"{_remedy(error, chosen)}; then run it again", code=code) from None  # fmt: skip


def _remedy(error: "Error", chosen: Chosen) -> str:
    from psycopg import errors

    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName | errors.UndefinedColumn | errors.UndefinedFunction):
        return "infraops migrate up, for the schema is not all there"
    if isinstance(error, errors.InsufficientPrivilege):
        return "use the URL of a role that may"
    return f"see that the server runs and lets {chosen.access.url.user} in"
