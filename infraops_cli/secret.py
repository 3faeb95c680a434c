"""`infraops secret …`: what a stack's file holds encrypted."""

import sys
from typing import Annotated

import typer

from infraops_cli.options import Group
from infraops_cli.progress import Progress

app = typer.Typer(cls=Group, no_args_is_help=True, help="Secrets in a stack's file.")

Stack = Annotated[str, typer.Argument(help="The stack: NAME of a file Pulumi.NAME.yaml.")]
Name = Annotated[str, typer.Argument(help="The setting, as databaseUrl or adminDatabaseUrl.")]


@app.command("set")
def set_(stack: Stack, name: Name) -> None:
    """Store a database URL in a stack's file, encrypted; it is read from standard input, or asked for unseen."""
    from infraops_cli import stack_secrets

    progress = Progress()
    setting = stack_secrets.setting(stack, name)
    text = typer.prompt(f"{name} of stack {stack}", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    url = stack_secrets.checked(stack, setting, text)
    stack_secrets.store(stack, setting, text.strip(), progress)
    progress.say(f"Stored    {name}, encrypted, in Pulumi.{stack}.yaml: {url}")
