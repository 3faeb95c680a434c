"""The environment in which `pulumi`, typed by hand or run by us, works on this checkout's state."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from infraops_cli.engine.setup import Engine
from infraops_core import checkout
from infraops_core.errors import UserError

_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


def variables(engine: Engine, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What to set besides what the user has set: a backend, a home or a passphrase of the user's stays.

    Makes the state folder and, at first use, a passphrase that only its owner can read.
    """
    state = checkout.state_folder(environment)
    made = {"PATH": _path(engine, environment), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        (state / "backend").mkdir(mode=0o700, parents=True, exist_ok=True)
        state.chmod(0o755)  # a server's account passes through; what is secret in it is closed by itself
    except OSError as error:
        raise UserError(
            f"the folder for the state cannot be made: {error.strerror}", where=str(state), next="name another with INFRAOPS_STATE"
        ) from None
    if not environment.get("PULUMI_BACKEND_URL"):
        made["PULUMI_BACKEND_URL"] = own_backend(environment)
        if not environment.get("PULUMI_HOME"):
            made["PULUMI_HOME"] = str(checkout.OWN_FOLDER / "home")  # a backend of the user's has its log-in in the user's home
    if not any(name in environment for name in _PASSPHRASES):
        made["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase_file(state))
    return made


def own_backend(environment: Mapping[str, str] = os.environ) -> str:
    """The URL of this checkout's own backend."""
    return f"file://{quote(str(checkout.state_folder(environment) / 'backend'))}"


def _path(engine: Engine, environment: Mapping[str, str]) -> str:
    before = [str(folder) for folder in engine.folders]
    after = [entry for entry in environment.get("PATH", os.defpath).split(os.pathsep) if entry not in before]
    return os.pathsep.join(before + after)


def _passphrase_file(state: Path) -> Path:
    """The file with this state's passphrase, whole or absent at any moment."""
    path = state / "passphrase"
    if not path.exists():
        if any((state / "backend" / ".pulumi" / "stacks").glob("*/*.json")):
            raise UserError(
                "the passphrase that this state is encrypted with is gone",
                where=str(path),
                next="put the file back, or set PULUMI_CONFIG_PASSPHRASE; without it the state's secrets are lost (docs/state.md)",
            )
        mine = path.with_name(f"passphrase.{os.getpid()}")
        descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(mine, path)  # fails where another run was faster: its passphrase counts
        except FileExistsError:
            pass
        finally:
            mine.unlink()
    return path
