"""Putting a secret into a stack's file: checked first, then encrypted by the engine, which gets it on its standard input."""

import os
import subprocess

from infraops_cli import explain, runs
from infraops_cli.progress import Progress
from infraops_core import checkout, providers, stack_files
from infraops_core.database_url import DatabaseUrl, redact
from infraops_core.errors import UserError
from infraops_core.settings import NAMESPACE, secret_settings
from infraops_core.settings.external import problem
from infraops_core.settings.setting import Setting

_SECONDS = 60


def setting(stack: str, name: str) -> Setting:
    """The secret setting of that name that the stack's target has.

    :raises UserError: when it has none of that name, or the stack has no file.
    """
    target = stack_files.config(checkout.ROOT, stack).get(f"{NAMESPACE}target")
    known = secret_settings(target)
    found = known.get(name.removeprefix(NAMESPACE))
    if found is None:
        which = f"take one of {', '.join(known)}" if known else "its target has none; docs/settings.md lists what a target takes"
        raise UserError(f"stack {stack} has no secret setting {name}", where=f"Pulumi.{stack}.yaml", next=which)
    return found


def checked(stack: str, setting: Setting, text: str) -> DatabaseUrl:
    """The URL in `text`, good for `setting` as far as it can be told without the others.

    :raises UserError: for one that is not; it is in no message.
    """
    where, again = f"{NAMESPACE}{setting.key}", f"infraops secret set {stack} {setting.key}"
    if not text.strip():
        raise UserError("nothing was given to store", where=where, next=f"pipe it in, or type it: {again}")
    value, found = setting.read(text.strip())
    if not found:
        named = stack_files.config(checkout.ROOT, stack).get(f"{NAMESPACE}provider")
        found = problem(setting.key, value, providers.named(named) if named else providers.of(value))
    if found:
        raise UserError(found, where=where, next=f"{again}; nothing was stored")
    url: DatabaseUrl = value
    return url


def store(stack: str, setting: Setting, text: str, progress: Progress) -> None:
    """Encrypt `text` into the stack's own file, which is then to be committed, or not (docs/state.md).

    :raises UserError: when the engine can't, as with another passphrase than the file's.
    """
    prepared = runs.begun(stack, progress)
    file = checkout.ROOT / f"Pulumi.{stack}.yaml"
    command = ["pulumi", "config", "set", "--secret", "--non-interactive", "--color", "never", "--stack", stack,
               "--config-file", str(file), f"{NAMESPACE}{setting.key}"]  # fmt: skip
    try:
        ran = subprocess.run(command, cwd=checkout.ROOT, env=os.environ, input=text, capture_output=True, text=True,
                             timeout=_SECONDS, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"the engine did not end within {_SECONDS} s", where=file.name, next="run it again") from None
    if ran.returncode != 0:
        told = redact(ran.stderr.replace(text, "***"))
        raise explain.known(told, prepared.name) or explain.unusable_state(told, prepared.name)
