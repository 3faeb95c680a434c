"""The commands: each maps its flags to one call and prints what comes back."""

import sys
from typing import Annotated

import typer

from infraops_cli import audit, migrate, pooler, secret
from infraops_cli.env_output import Format
from infraops_cli.options import Group
from infraops_cli.progress import Progress, result
from infraops_core.errors import UserError

app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="One Postgres audit database on any target, provisioned by Pulumi.")  # fmt: skip
engine = typer.Typer(no_args_is_help=True, help="The Pulumi engine of this checkout.")
app.add_typer(engine, name="engine")
app.add_typer(migrate.app, name="migrate")
app.add_typer(audit.app, name="audit")
app.add_typer(pooler.app, name="pooler")
app.add_typer(secret.app, name="secret")

Stack = Annotated[str, typer.Argument(help="The stack: NAME of a file Pulumi.NAME.yaml.")]


@app.command()
def up(stack: Stack = "local") -> None:
    """Provision a stack's database, apply the schema, write and prove one audit row."""
    from rich.console import Console

    from infraops_cli import runs, summary

    progress = Progress()
    outputs = runs.up(runs.prepare(stack, progress), progress)
    summary.show(summary.rows(stack, outputs), Console(highlight=False))


@app.command()
def down(stack: Stack = "local", yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Destroy what `up` made, data and all; a database that was there before is left as it is."""
    from infraops_cli import runs

    progress = Progress()
    if not yes and not sys.stdin.isatty():
        raise UserError(f"down of stack {stack} asks first, and there is no terminal to ask on",
                        next=f"infraops down {stack} --yes")  # fmt: skip
    prepared = runs.existing(stack, progress)
    if not yes:
        typer.confirm(_question(stack, keeps=runs.keeps_the_database(prepared)), abort=True)
    runs.destroy(prepared, progress)


@app.command()
def env(
    stack: Stack = "local",
    form: Annotated[Format, typer.Option("--format", help="shell (for eval), dotenv or json.")] = Format.SHELL,
    direct: Annotated[bool, typer.Option("--direct", help="Also the owner's URL, for migrations and dumps.")] = False,
    readonly: Annotated[bool, typer.Option("--readonly", help="Also the URL of the role that only reads, to verify the trail.")] = False,
    admin: Annotated[bool, typer.Option("--admin", help="Also the admin's URL, for cutovers.")] = False,
) -> None:
    """Print the variables an application needs to use a stack's database, passwords and all."""
    from infraops_cli import env_output, runs

    outputs = runs.outputs(runs.existing(stack, Progress()))
    result(env_output.render(env_output.select(outputs, direct=direct, readonly=readonly, admin=admin), form))


@app.command()
def smoke(stack: Stack = "local") -> None:
    """Write one audit row as the app, read it back, and see that the app can do no more."""
    from infraops_cli import runs
    from infraops_core import smoke as smoke_test
    from infraops_core.access import Access
    from infraops_core.database_url import parse
    from infraops_core.tls import Tls

    outputs = runs.outputs(runs.existing(stack, Progress()))
    access = Access(parse(outputs["DATABASE_URL"]), Tls(outputs["DATABASE_SSL_MODE"]))
    details = {"stack": stack, "schema_checksum": outputs["schema_checksum"], "rehearsal": ""}
    proved = smoke_test.run(access, details, tenant=outputs.get("tenant", "default"))
    result(f"{proved.summary()}\nrow       {proved.row_id}")


@app.command()
def doctor(
    stack: Annotated[str, typer.Argument(help="The stack; without one, the database that the environment names.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds for all checks together, 30 unless given.")] = None,
) -> None:
    """Check a database and the way to it, a line a check; exit code 2 for a failure, 3 when it can't be reached."""
    from infraops_cli import doctor as checks

    if code := checks.examine(stack, as_json=as_json, seconds=checks.SECONDS if timeout is None else timeout):
        raise typer.Exit(code)


@app.command()
def setup(stack: Stack = "local") -> None:
    """Have the packages and the engine that a stack needs, and change nothing else."""
    from infraops_cli import extras
    from infraops_core import checkout, stack_files

    progress = Progress()
    extras.ensure(stack_files.read(checkout.ROOT, stack).target, progress.say)
    engine_setup()


@engine.command("setup")
def engine_setup() -> None:
    """Find a Pulumi CLI that is new enough, or make one for this checkout."""
    from infraops_cli.engine import setup as engines

    progress = Progress()
    with progress.under_way("Pulumi engine"):
        ready = engines.ready(progress.say)
    progress.say(f"Engine    Pulumi {ready.cli.version} ({ready.way}) at {ready.cli.path}")


@engine.command("env")
def engine_env() -> None:
    """Print what `pulumi` by hand needs in its environment: eval "$(infraops engine env)"."""
    from infraops_cli.engine import environment, setup
    from infraops_cli.env_output import render

    result(render(environment.variables(setup.ready(Progress().say)), Format.SHELL))


def _question(stack: str, *, keeps: bool) -> str:
    if keeps:
        return f"Forget the database of stack {stack}? It stays as it is, rows, roles and all; this stack's passwords go."
    return f"Delete the database of stack {stack} with its data?"
