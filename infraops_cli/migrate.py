"""The commands of `infraops migrate`: each maps its flags to one call and prints what comes back."""

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from infraops_cli.options import Group
from infraops_core import checkout
from infraops_core.errors import ExitCode, UserError
from infraops_core.settings import Environment
from infraops_core.wording import counted

if TYPE_CHECKING:
    from infraops_cli.databases import Chosen
    from infraops_core.access import Access
    from infraops_core.migrations.files import Migration
    from infraops_core.servers.embedded.binaries import Binaries

app = typer.Typer(cls=Group, no_args_is_help=True, help="The schema's migrations, as the database's owner.")

Stack = Annotated[str, typer.Option("--stack", help="The stack whose database it is; without one DIRECT_DATABASE_URL says.")]
For = Annotated[Environment | None, typer.Option("--environment", help="What the database of DIRECT_DATABASE_URL is for.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]
Continue = Annotated[bool, typer.Option("--continue", help="Go on with a transaction:false migration that was interrupted.")]

_LOOK_SECONDS = 60


@app.command()
def new(name: Annotated[str, typer.Argument(help="What it does: small letters, digits and _.")]) -> None:
    """Make the file of a new migration."""
    from infraops_core.migrations import files

    print(f"Made      {files.new(checkout.AUDIT_SCHEMA / 'migrations', name).relative_to(checkout.ROOT)}")


@app.command()
def status(stack: Stack = "", environment: For = None, as_json: Json = False) -> None:
    """Show which migrations are applied, since when and by whom, and which are not."""
    from infraops_cli import migrate_output
    from infraops_core.migrations import runner

    chosen = _owner(stack, environment)
    statuses = runner.status(chosen.access, _migrations())
    print(migrate_output.as_json(statuses) if as_json else migrate_output.table(statuses, chosen.access.endpoint))


@app.command()
def plan(stack: Stack = "", environment: For = None) -> None:
    """Show the SQL that `up` would run, what squawk says of it, and what in it is not portable."""
    from infraops_core.migrations import plan as plans
    from infraops_core.migrations import runner

    chosen, migrations = _owner(stack, environment), _migrations()
    with redirect_stdout(sys.stderr):  # the scratch server says that it starts
        planned = plans.plan(migrations, runner.pending(chosen.access, migrations), _binaries(chosen.access))
    for line in plans.lines(planned):
        print(line)
    raise typer.Exit(planned.code)


@app.command()
def up(
    version: Annotated[str, typer.Argument(help="The last one to apply; all, unless given.")] = "",
    stack: Stack = "",
    environment: For = None,
    resume: Continue = False,
) -> None:
    """Apply what the database lacks; in prod after a snapshot of what is in it."""
    from infraops_core import schema

    chosen, migrations = _owner(stack, environment), _migrations()
    count = 0
    for applied in schema.apply(chosen.access, migrations, chosen.environment, target=version, resume=resume):
        print(f"Applied   {applied.migration.path.name} in {applied.milliseconds:.0f} ms")
        count += 1
    if not count:
        print(f"Applied   nothing: {chosen.access.endpoint} has every migration" + (f" up to {version}" if version else ""))


@app.command()
def down(stack: Stack = "", environment: For = None, yes: Yes = False, resume: Continue = False) -> None:
    """Revert the newest applied migration; in prod after a snapshot, and the database's name typed."""
    from infraops_core import schema

    chosen, migrations = _owner(stack, environment), _migrations()
    if chosen.environment is Environment.PROD and not yes:
        chosen.confirm("Reverting the newest migration of", otherwise="run it on a terminal, or with --yes")
    reverted = schema.revert(chosen.access, migrations, chosen.environment, resume=resume)
    print(f"Reverted  {reverted.migration.path.name} in {reverted.milliseconds:.0f} ms")


@app.command()
def verify(stack: Stack = "", environment: For = None) -> None:
    """Compare the database's ledger with the files: all applied, and none edited since."""
    from infraops_cli import migrate_output
    from infraops_core.migrations import runner

    chosen, migrations = _owner(stack, environment), _migrations()
    findings = runner.verify(chosen.access, migrations)
    print(migrate_output.verified(findings, len(migrations), chosen.access.endpoint))
    if any(finding.is_bad for finding in findings):
        raise typer.Exit(ExitCode.FOUND_BAD)


@app.command()
def mark(version: Annotated[str, typer.Argument(help="Its version.")], stack: Stack = "", environment: For = None) -> None:
    """Record a migration as applied, as its file is now, without running it."""
    from infraops_core.migrations import runner

    chosen = _owner(stack, environment)
    migration = next((migration for migration in _migrations() if migration.version == version), None)
    if migration is None:
        raise UserError(f"no file has version {version}", where="audit-schema/migrations", next="infraops migrate status lists them")
    runner.mark(chosen.access, migration)
    print(f"Marked    {migration.path.name} as applied")


@app.command()
def adopt(stack: Stack = "", environment: For = None) -> None:
    """Take over a database that has the schema but no ledger: compare it with what the migrations make, and record them."""
    from infraops_core.migrations import compare

    chosen = _owner(stack, environment)
    with redirect_stdout(sys.stderr):
        adopted = compare.adopt(chosen.access, _migrations(), _binaries(chosen.access)).applied
    for migration in adopted:
        print(f"Marked    {migration.path.name} as applied")


@app.command()
def dump(stack: Stack = "", environment: For = None) -> None:
    """Print the database's schema and ledger as SQL, the same text for the same schema."""
    from infraops_cli.progress import result
    from infraops_core.migrations import dump as dumps

    access = _owner(stack, environment).access
    result(dumps.dump(access, _binaries(access)))


@app.command()
def seed(stack: Stack = "", environment: For = None) -> None:
    """Apply the seeds of the database's environment, audit-schema/seeds/ENVIRONMENT; never in prod."""
    from infraops_core.migrations import seeds

    chosen = _owner(stack, environment)
    if not stack and environment is None:  # a tunnel to another database looks like this machine
        raise UserError("whose seeds is not said", where=chosen.name, next="say what the database is for: --environment dev, or staging")
    for seeded in seeds.apply(chosen.access, chosen.environment):
        print(f"Seeded    {seeded.path.name}: {counted(seeded.rows, 'row')} in {seeded.milliseconds:.0f} ms")


@app.command("reset")
def start_anew(stack: Annotated[str, typer.Option("--stack", help="The stack whose database it is.")]) -> None:
    """Drop everything the owner made, rows and all, and apply the migrations anew; of a dev stack only, and its name typed."""
    from infraops_core import schema
    from infraops_core.migrations import reset

    chosen = _owner(stack, None)
    if chosen.environment is not Environment.DEV:
        raise UserError(f"reset is for dev, and stack {stack} is {chosen.environment}", where=f"Pulumi.{stack}.yaml, infraops:environment",
                        next=f"infraops migrate down --stack {stack} reverts one migration")  # fmt: skip
    migrations = _migrations()  # files that are wrong are told before anything goes
    chosen.confirm("Resetting deletes every row of", otherwise=f"run it on a terminal; or make the stack anew: infraops down {stack} --yes")
    dropped = ", ".join(reset.reset(chosen.access)) or "nothing"
    print(f"Dropped   {dropped} of {chosen.access.url.user} in {chosen.access.endpoint}")
    for applied in schema.apply(chosen.access, migrations, chosen.environment):
        print(f"Applied   {applied.migration.path.name} in {applied.milliseconds:.0f} ms")


def _owner(stack: str, environment: Environment | None) -> "Chosen":
    from infraops_cli import databases
    from infraops_core.migrations import pooled

    chosen = databases.choose(databases.OWNER, stack=stack, environment=environment)
    pooled.refuse_url(chosen.access.url)  # a dump and a seed would fail by it too, or later
    return chosen


def _migrations() -> "list[Migration]":
    from infraops_core.migrations import files

    return files.read(checkout.AUDIT_SCHEMA / "migrations")


def _binaries(access: "Access") -> "Binaries":
    """Postgres' programs for a scratch server and for pg_dump, of the database's own version if they are here."""
    from infraops_cli import extras
    from infraops_cli.progress import Progress
    from infraops_core.migrations import over_psycopg, refusals
    from infraops_core.servers.embedded import binaries

    with refusals.explained(access), over_psycopg.opened(access, seconds=_LOOK_SECONDS) as transport:
        [(number,)] = transport.run("show server_version_num")
    extras.install(extras.LOCAL, Progress().say)
    return binaries.find([int(number) // 10000, 18, 17, 16], None)
