"""The documentation says what there is: commands, flags, settings, outputs, exit codes, links."""

import re
from pathlib import Path

import pytest
import typer
import yaml

from infraops_cli import env_output
from infraops_cli.commands import app
from infraops_core import checkout
from infraops_core.errors import ExitCode
from infraops_core.settings import every_setting

DOCS = checkout.ROOT / "docs"
PAGES = [checkout.ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def every_command() -> list[str]:
    """`infraops NAME` of each command with its flags, read from the command itself."""
    found: list[str] = []

    def walk(group: typer.Typer, prefix: str) -> None:
        for command in group.registered_commands:
            assert command.callback is not None
            found.append(f"{prefix} {command.name or command.callback.__name__}")
        for sub in group.registered_groups:
            assert sub.typer_instance is not None
            walk(sub.typer_instance, f"{prefix} {sub.name}")

    walk(app, "infraops")
    return found


@pytest.mark.parametrize("command", every_command())
def test_every_command_is_documented(command: str) -> None:
    assert f"`{command}" in (DOCS / "commands.md").read_text()


@pytest.mark.parametrize("flag", ["--yes", "--format", "--direct", "--admin"])
def test_every_flag_is_documented(flag: str) -> None:
    assert flag in (checkout.ROOT / "infraops_cli" / "commands.py").read_text()
    assert flag in (DOCS / "commands.md").read_text()


def test_no_flag_is_left_out_of_the_list_above() -> None:
    declared = set(re.findall(r'"(--[a-z-]+)"', (checkout.ROOT / "infraops_cli" / "commands.py").read_text()))
    assert declared == {"--yes", "--format", "--direct", "--admin"}


@pytest.mark.parametrize("key", every_setting())
def test_every_setting_has_a_row(key: str) -> None:
    assert f"| `{key}` |" in (DOCS / "settings.md").read_text()


def test_no_setting_is_documented_that_is_not_there() -> None:
    documented = set(re.findall(r"^\| `(infraops:\w+)` \|", (DOCS / "settings.md").read_text(), re.MULTILINE))
    assert documented == set(every_setting())


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_has_a_row(code: ExitCode) -> None:
    assert f"\n| {int(code)} | {code.name.lower().replace('_', ' ')} |" in (DOCS / "exit-codes.md").read_text()


def test_every_output_has_a_row() -> None:
    exported = set(re.findall(r'"(\w+)": ', (checkout.ROOT / "stacks" / "outputs.py").read_text()))
    exported |= set(re.findall(r'export\("(\w+)"', (checkout.ROOT / "stacks" / "outputs.py").read_text()))
    exported |= set(env_output.APPLICATION + env_output.DIRECT)
    assert len(exported) > 10
    page = (DOCS / "outputs.md").read_text()
    assert [name for name in exported if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("target", re.findall(r"^([a-z-]+):.*##", (checkout.ROOT / "Makefile").read_text(), re.MULTILINE))
def test_every_make_target_is_documented(target: str) -> None:
    assert f"`make {target}" in (DOCS / "commands.md").read_text()


def test_committed_stack_files_are_in_order() -> None:
    from infraops_core import stack_files

    names = stack_files.known(checkout.ROOT)
    assert "local" in names
    for name in names:
        stack_files.read(checkout.ROOT, name)
        assert "encryptionsalt" not in yaml.safe_load((checkout.ROOT / f"Pulumi.{name}.yaml").read_text())
