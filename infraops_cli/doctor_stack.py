"""A stack as the doctor sees it: by one `pulumi stack export`, which opens the backend, finds the stack and decrypts its secrets."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote

from infraops_cli import explain
from infraops_cli.engine import cli, environment
from infraops_cli.engine.cli import FOLDER, OLDEST, Cli
from infraops_cli.engine.setup import Engine
from infraops_core import checkout, stack_files
from infraops_core.database_url import redact
from infraops_core.doctor import deployment
from infraops_core.doctor.stack import BACKEND, PASSPHRASE, UP, Reading
from infraops_core.errors import UserError
from infraops_core.settings import Settings

_PASSPHRASE = re.compile(r"incorrect passphrase|passphrase must be set|passphrase that this state")
_NO_STACK = re.compile(r"no stack named")


class CheckoutStack:
    """A stack of this checkout, in the backend that its environment names; makes and changes nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._cli: Cli | None = None

    def engine(self, seconds: float) -> str:
        found = [seen for path in _candidates() if (seen := cli.look_at(path))]
        fitting = next((one for one in found if one.version >= OLDEST), None)
        if fitting is None:
            have = f"{found[0].path} is {found[0].version}, and {OLDEST} is the oldest that will do" if found else "there is no Pulumi CLI"
            raise UserError(have, next="infraops engine setup")
        self._cli = fitting
        return f"Pulumi {fitting.version} at {fitting.path}"

    def backend(self) -> str:
        return f"the state at {redact(os.environ.get('PULUMI_BACKEND_URL') or environment.own_backend())}"

    def read(self, seconds: float) -> Reading:
        assert self._cli is not None, "the engine was found before"
        if trouble := self._no_state():
            return Reading(failed=BACKEND, why=trouble)
        try:
            variables = os.environ | environment.variables(Engine(self._cli, "", (self._cli.path.parent,)))
        except UserError as error:
            return Reading(failed=PASSPHRASE if "passphrase" in error.what else BACKEND, why=error)
        try:
            ran = self._export(variables, seconds)
        except subprocess.TimeoutExpired:
            late = UserError(f"the backend gave no answer within {seconds:.1f} s", next="see that the backend answers: pulumi stack ls")
            return Reading(failed=BACKEND, why=late)
        return self._told(ran)

    def settings(self) -> Settings:
        return stack_files.read(checkout.ROOT, self.name)

    def _no_state(self) -> UserError | None:
        """Why there is nothing to open, in a checkout where nothing was made; looking on would make a state."""
        named = os.environ.get("PULUMI_BACKEND_URL") or environment.own_backend()
        folder = Path(unquote(named.removeprefix("file://")))
        if named.startswith("file://") and folder.is_absolute() and not folder.is_dir():
            return UserError("there is no state yet", next=f"infraops up {self.name}")
        return None

    def _export(self, variables: dict[str, str], seconds: float) -> "subprocess.CompletedProcess[str]":
        """In a folder with the project's file alone, for a stack's file that is broken keeps nobody from its state."""
        assert self._cli is not None
        command = [str(self._cli.path), "stack", "export", "--show-secrets", "--non-interactive", "--stack", self.name]
        with tempfile.TemporaryDirectory(prefix="infraops-doctor-") as folder:
            shutil.copy(checkout.ROOT / "Pulumi.yaml", folder)
            return subprocess.run(command, cwd=folder, env=variables, timeout=seconds, capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL)  # fmt: skip

    def _told(self, ran: "subprocess.CompletedProcess[str]") -> Reading:
        said = ran.stderr or ran.stdout
        if ran.returncode and _NO_STACK.search(said):
            return Reading(failed=UP, why=UserError(f"there is no stack {self.name} in this state", next=f"infraops up {self.name}"))
        if ran.returncode:
            why = explain.known(said, self.name) or explain.unusable_state(said, self.name)
            return Reading(failed=PASSPHRASE if _PASSPHRASE.search(said) else BACKEND, why=why)
        try:
            found = deployment.read(json.loads(ran.stdout))
        except ValueError as error:
            unread = UserError(f"the state makes no sense: {error}", next="restore it from a backup of the backend")
            return Reading(failed=BACKEND, why=unread)
        if not found.has_all_secrets:
            return Reading(failed=PASSPHRASE, why=explain.wrong_passphrase(self.name))
        return Reading(found)


def _candidates() -> list[Path]:
    """In the order that `infraops` itself takes them."""
    return [path for path in (cli.on_path(), FOLDER / "bin" / "pulumi", FOLDER / "official" / "bin" / "pulumi") if path and path.exists()]
