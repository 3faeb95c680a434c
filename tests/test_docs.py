"""The documentation says what there is: commands, flags, settings, outputs, exit codes, links."""

import re
from pathlib import Path
from typing import Any

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


def every_command() -> dict[str, list[str]]:
    """`infraops NAME ARGUMENT [ARGUMENT]` of each command, and its flags, as the command line itself knows them."""
    found: dict[str, list[str]] = {}

    def walk(command: Any, name: str) -> None:
        subcommands = getattr(command, "commands", None)
        if subcommands is not None:
            for sub in subcommands:
                walk(subcommands[sub], f"{name} {sub}")
            return
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        words = [parameter.name.upper() if parameter.required else f"[{parameter.name.upper()}]" for parameter in arguments]
        found[" ".join([name, *words])] = [
            flag for parameter in command.params if parameter not in arguments for flag in (*parameter.opts, *parameter.secondary_opts)
        ]

    walk(typer.main.get_command(app), "infraops")
    return found


COMMANDS = every_command()


def rows_of(command: str) -> list[str]:
    return [line for line in (DOCS / "commands.md").read_text().splitlines() if line.startswith("|") and f"`{command}`" in line]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_one_row_with_its_arguments(command: str) -> None:
    assert len(rows_of(command)) == 1


@pytest.mark.parametrize(("command", "flag"), [(command, flag) for command, flags in COMMANDS.items() for flag in flags])
def test_every_flag_is_in_its_commands_row(command: str, flag: str) -> None:
    assert re.search(rf"`{flag}\b", "".join(rows_of(command)))


def test_no_command_and_no_flag_is_documented_that_is_not_there() -> None:
    page = (DOCS / "commands.md").read_text()
    assert set(re.findall(r"\| `(infraops [^`]+)`", page)) == set(COMMANDS)
    for command, flags in COMMANDS.items():
        [row] = rows_of(command)
        assert set(re.findall(r"`(--[a-z-]+)", row)) <= set(flags), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_is_there(page: Path) -> None:
    names = {re.split(r" [\[A-Z]", command)[0] for command in COMMANDS}
    groups = {" ".join(name.split()[:2]) for name in names}
    for told in re.findall(r"(?<![\w/.-])infraops ((?:engine|migrate|audit) [a-z]+)", page.read_text()):
        assert f"infraops {told}" in names, told
    assert {"infraops migrate", "infraops audit"} <= groups


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
        assert "encryptionsalt" not in yaml.safe_load((checkout.ROOT / f"Pulumi.{name}.yaml").read_text())
