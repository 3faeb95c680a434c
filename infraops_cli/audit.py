"""The commands of `infraops audit`: each maps its flags to one call and prints what comes back."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infraops_cli.options import Group
from infraops_core.errors import ExitCode, UserError
from infraops_core.wording import counted

app = typer.Typer(cls=Group, no_args_is_help=True, help="The audit trail: export its heads, verify it, prune it.")

Stack = Annotated[str, typer.Option("--stack", help="The stack whose database it is; without one READONLY_DATABASE_URL or "
                                                    "DIRECT_DATABASE_URL says.")]  # fmt: skip
Sign = Annotated[Path, typer.Option("--sign", help="The Ed25519 private key, a PEM file.")]


@app.command()
def heads(sign: Sign, stack: Stack = "") -> None:
    """Print where every tenant's chains end, signed; keep it away from the database."""
    from infraops_cli import databases, trail
    from infraops_cli.progress import result
    from infraops_core.audit.chain import heads as chain_heads
    from infraops_core.audit.chain import keys

    key = keys.private_key(sign)
    with trail.opened(databases.choose(databases.READER, stack=stack)) as connection:
        found = chain_heads.current(connection)
    result(json.dumps(chain_heads.sign(found, key), indent=2))


@app.command()
def verify(
    stack: Stack = "",
    heads_files: Annotated[list[Path] | None, typer.Option("--heads", help="Heads exported earlier; may be given more than once.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="The public key that heads and anchors have to be signed with.")] = None,
    tenant: Annotated[str, typer.Option("--tenant", help="This tenant only.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Verify every row of every chain, and that signed heads are still there; exit code 2 for a finding."""
    from infraops_cli import databases, trail
    from infraops_cli.progress import Progress

    progress = Progress()
    signed = trail.read_heads(heads_files or [], key, progress.say)
    verdict = trail.verify(databases.choose(databases.READER, stack=stack), signed, tenant, progress)
    print(trail.as_json(verdict) if as_json else trail.text(verdict))
    if verdict.findings:
        raise typer.Exit(ExitCode.FOUND_BAD)


@app.command()
def prune(
    tenant: Annotated[str, typer.Option("--tenant", help="Whose rows.")],
    before: Annotated[str, typer.Option("--before", help="Rows recorded before this day (2026-01-31) or time go.")],
    sign: Sign,
    stack: Annotated[str, typer.Option("--stack", help="The stack whose database it is; without one DIRECT_DATABASE_URL says.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a tenant's oldest rows for good, and leave a signed anchor from which the rest verifies."""
    from infraops_cli import databases, trail
    from infraops_cli.progress import Progress
    from infraops_core.audit.chain import keys

    key = keys.private_key(sign)
    chosen = databases.choose(databases.OWNER, stack=stack)
    for pruned in trail.prune(chosen, tenant, _moment(before), key, yes=yes, progress=Progress()):
        rows = counted(pruned.rows, "row")
        print(f"Pruned    {rows} of {pruned.head.chain}, tenant {tenant}, up to row {pruned.head.seq}")


def _moment(text: str) -> datetime:
    """A day or a time; without a zone it is UTC's."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{text!r} is no day and no time", where="--before", next="write it as 2026-01-31 or 2026-01-31T12:00:00+00:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
