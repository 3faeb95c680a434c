"""The environment for `pulumi`: ours where the user has said nothing."""

from pathlib import Path

import pytest
from semver import VersionInfo

from infraops_cli.engine.cli import Cli
from infraops_cli.engine.environment import variables
from infraops_cli.engine.setup import Engine
from infraops_core.errors import UserError

ENGINE = Engine(Cli(Path("/opt/pulumi/bin/pulumi"), VersionInfo(3, 250, 0)), "PATH", (Path("/opt/pulumi/bin"), Path("/opt/helpers")))


def test_a_user_who_has_said_nothing_gets_a_backend_and_a_passphrase_in_the_checkout(tmp_path: Path) -> None:
    made = variables(ENGINE, {"PATH": "/usr/bin", "INFRAOPS_STATE": str(tmp_path / "state")})
    assert made["PATH"] == "/opt/pulumi/bin:/opt/helpers:/usr/bin"
    assert made["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/state/backend"
    assert "PULUMI_HOME" in made
    passphrase = Path(made["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert passphrase.stat().st_mode & 0o777 == 0o600
    assert len(passphrase.read_text()) >= 32


def test_the_passphrase_is_made_once_and_another_state_has_another(tmp_path: Path) -> None:
    def passphrase(state: str) -> str:
        return Path(variables(ENGINE, {"INFRAOPS_STATE": str(tmp_path / state)})["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text()

    assert passphrase("one") == passphrase("one")
    assert passphrase("one") != passphrase("two")


@pytest.mark.parametrize(
    ("said", "left_alone"),
    [
        ({"PULUMI_BACKEND_URL": "s3://bucket"}, {"PULUMI_BACKEND_URL", "PULUMI_HOME"}),
        ({"PULUMI_HOME": "/home/u/.pulumi"}, {"PULUMI_HOME"}),
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/run/secrets/p"}, {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}),
    ],
)
def test_what_the_user_has_set_wins(tmp_path: Path, said: dict[str, str], left_alone: set[str]) -> None:
    assert not left_alone & set(variables(ENGINE, said | {"INFRAOPS_STATE": str(tmp_path)}))


def test_a_state_whose_passphrase_is_gone_gets_no_new_one(tmp_path: Path) -> None:
    stacks = tmp_path / "backend" / ".pulumi" / "stacks" / "infraops"
    stacks.mkdir(parents=True)
    (stacks / "local.json").write_text("{}")
    with pytest.raises(UserError, match="passphrase that this state is encrypted with is gone"):
        variables(ENGINE, {"INFRAOPS_STATE": str(tmp_path)})
    assert not (tmp_path / "passphrase").exists()
