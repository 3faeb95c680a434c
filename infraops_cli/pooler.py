"""The commands of `infraops pooler`: each maps its flags to one call and prints what comes back."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infraops_cli.options import Group
from infraops_core import checkout

if TYPE_CHECKING:
    from infraops_core.pooler.plan import Pooler, Urls

app = typer.Typer(cls=Group, no_args_is_help=True, help="A PgBouncer of one's own in front of a stack's database.")


@app.callback()
def _group() -> None:
    """A group stays one while it has a single command."""


@app.command()
def config(
    stack: Annotated[str, typer.Argument(help="The stack: NAME of a file Pulumi.NAME.yaml.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write to, where PgBouncer will read.")] = None,
    listen: Annotated[str, typer.Option("--listen", help="Address and port it is to listen on.")] = "127.0.0.1:6432",
    size: Annotated[int | None, typer.Option("--size", min=1, max=10_000, help="Server connections for each role.")] = None,
    certificate: Annotated[Path | None, typer.Option("--tls-cert", help="Its certificate, where others than this machine come in.")] = None,
    key: Annotated[Path | None, typer.Option("--tls-key", help="The certificate's key.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over files that say something else.")] = False,
    url: Annotated[bool, typer.Option("--url", help="Print the app's URL through the pooler whole, password and all.")] = False,
) -> None:
    """Write a PgBouncer configuration for a stack's database: transaction mode, SCRAM, the app and the reader only."""
    from infraops_cli import runs
    from infraops_cli.progress import Progress, result
    from infraops_core.pooler import folder, listening, plan, version

    progress = Progress()
    place = listening.at(listen, certificate, key)  # what is mistyped is told before the engine is asked
    urls = _urls(runs.outputs(runs.existing(stack, progress)))
    pooler = plan.plan(urls, place, size=size, version=version.installed())
    into = out or checkout.state_folder() / "pooler" / stack
    for written in folder.write(pooler, into, replace=replace):
        progress.say(f"{'Wrote' if written.is_new else 'Kept':<9} {written.path}")
    for line in _lines(pooler, into):
        progress.say(line)
    result(pooler.url.with_password() if url else str(pooler.url))


def _urls(outputs: dict[str, Any]) -> "Urls":
    from infraops_core.database_url import parse
    from infraops_core.pooler.plan import Urls
    from infraops_core.tls import Tls

    names = ("READONLY_DATABASE_URL", "DIRECT_DATABASE_URL", "ADMIN_DATABASE_URL")
    readonly, direct, admin = (parse(outputs[name]) if name in outputs else None for name in names)
    return Urls(parse(outputs["DATABASE_URL"]), readonly, direct, admin, Tls(outputs["DATABASE_SSL_MODE"]))


def _lines(pooler: "Pooler", folder: Path) -> list[str]:
    from infraops_core.pooler import ini, userlist

    sizes = f"{pooler.size} server connections for each of {' and '.join(pooler.secrets)}, to {pooler.behind.places[0]}"
    settings = shlex.quote(str(folder.absolute() / ini.NAME))
    start = f"pgbouncer {settings}"
    if os.geteuid() == 0:  # PgBouncer refuses to run as root
        start = f"chown -R postgres {shlex.quote(str(folder.absolute()))} && pgbouncer -u postgres {settings}"
    return [
        f"Users     {userlist.told(pooler)}",
        f"Pool      {sizes}",
        *(f"Warning   {warning}" for warning in pooler.warnings),
        f"Next      {start}",
        f"          with DATABASE_URL as below, and DATABASE_SSL_MODE={pooler.url.sslmode}",
    ]
