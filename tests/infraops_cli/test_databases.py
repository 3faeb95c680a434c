"""Which database a command works on, and what it is taken for."""

import sys

import pytest
import typer

from infraops_cli import runs
from infraops_cli.databases import OWNER, READER, choose
from infraops_core.environment import VARIABLES
from infraops_core.errors import UserError
from infraops_core.settings import Environment
from infraops_core.tls import Tls
from tests.infraops_cli.conftest import Run

LOCAL = "postgresql://u:Sesam0effneDich@127.0.0.1:5433/d"
NEON = "postgresql://u:Sesam0effneDich@ep-x.us-east-2.aws.neon.tech/d?sslmode=require"
TUNNEL = "postgresql://u:Sesam0effneDich@db.example.com/d?hostaddr=127.0.0.1&sslmode=verify-full"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (name for variable in VARIABLES for name in variable.names):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "said", "environment", "tls"),
    [
        (LOCAL, None, Environment.DEV, Tls.DISABLE),
        (LOCAL, Environment.PROD, Environment.PROD, Tls.DISABLE),
        (NEON, None, Environment.PROD, Tls.REQUIRE),
        (NEON, Environment.STAGING, Environment.STAGING, Tls.REQUIRE),
        (TUNNEL, None, Environment.PROD, Tls.REQUIRE),
        ("postgresql://u@[::1]/d", None, Environment.DEV, Tls.DISABLE),
        ("postgresql://u@localhost/d", None, Environment.DEV, Tls.DISABLE),
        ("postgresql://u@10.0.0.5/d?sslmode=require", None, Environment.PROD, Tls.REQUIRE),
    ],
)
def test_a_database_elsewhere_is_taken_for_prod_unless_said(
    monkeypatch: pytest.MonkeyPatch, url: str, said: Environment | None, environment: Environment, tls: Tls
) -> None:
    monkeypatch.setenv("DIRECT_DATABASE_URL", url)
    chosen = choose(OWNER, environment=said)
    assert (chosen.environment, chosen.access.tls) == (environment, tls)
    assert chosen.name == chosen.access.endpoint
    assert "Sesam0effneDich" not in repr(chosen)


def test_the_readers_own_url_goes_first_and_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIRECT_DATABASE_URL", "postgresql://owner@localhost/d")
    assert choose(READER).access.url.user == "owner"
    monkeypatch.setenv("READONLY_DATABASE_URL", "")
    assert choose(READER).access.url.user == "owner"
    monkeypatch.setenv("READONLY_DATABASE_URL", "postgresql://reader@localhost/d")
    assert choose(READER).access.url.user == "reader"
    assert choose(OWNER).access.url.user == "owner"


@pytest.mark.parametrize("mode", list(Tls))
def test_the_rule_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch, mode: Tls) -> None:
    monkeypatch.setenv("DIRECT_DATABASE_URL", f"{LOCAL}?sslmode=verify-full")
    monkeypatch.setenv("DATABASE_SSL_MODE", str(mode))
    assert choose(OWNER).access.tls is mode


def test_the_alias_of_the_owners_variable_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL_DIRECT", LOCAL)
    assert choose(OWNER).access.url.user == "u"


@pytest.mark.parametrize(
    ("names", "variables", "says"),
    [
        (OWNER, {}, ["which database is not said", "DIRECT_DATABASE_URL is not set", "infraops env STACK --direct"]),
        (READER, {}, ["neither READONLY_DATABASE_URL nor DIRECT_DATABASE_URL is set"]),
        (OWNER, {"READONLY_DATABASE_URL": LOCAL}, ["DIRECT_DATABASE_URL is not set"]),
        (OWNER, {"DIRECT_DATABASE_URL": "mysql://u:Sesam0effneDich@h/d"}, ["postgres://", "DIRECT_DATABASE_URL  "]),
        (READER, {"READONLY_DATABASE_URL": "localhost"}, ["postgres://", "READONLY_DATABASE_URL  "]),
        (
            OWNER,
            {"DIRECT_DATABASE_URL": LOCAL, "DATABASE_SSL_MODE": "prefer"},
            ["DATABASE_SSL_MODE", '"prefer": one of: disable, require, verify-full'],
        ),
        (
            READER,
            {"DIRECT_DATABASE_URL": NEON, "DATABASE_PROVIDER": "local", "DATABASE_SSL_MODE": "verify-full"},
            ["the environment: 2 problems", "DATABASE_PROVIDER  is local", "DATABASE_SSL_MODE  is verify-full"],
        ),
    ],
)
def test_refused_and_why(monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], variables: dict[str, str], says: list[str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as refused:
        choose(names)
    for text in says:
        assert text in str(refused.value)
    assert refused.value.next
    assert "Sesam0effneDich" not in str(refused.value)


@pytest.mark.parametrize(
    ("names", "exported", "user"),
    [
        (OWNER, {"DIRECT_DATABASE_URL": "owner"}, "owner"),
        (READER, {"DIRECT_DATABASE_URL": "owner", "READONLY_DATABASE_URL": "reader"}, "reader"),
        (READER, {"DIRECT_DATABASE_URL": "owner"}, "owner"),
        (OWNER, {"READONLY_DATABASE_URL": "reader"}, "stack given has no DIRECT_DATABASE_URL: nobody gave it"),
        (READER, {}, "stack given has no READONLY_DATABASE_URL and no DIRECT_DATABASE_URL"),
    ],
)
def test_a_stacks_urls_are_those_that_were_given(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], exported: dict[str, str], user: str
) -> None:
    outputs = {name: LOCAL.replace("u:", f"{who}:") for name, who in exported.items()}
    monkeypatch.setattr(runs, "existing", lambda *_: None)
    monkeypatch.setattr(runs, "outputs", lambda _: outputs | {"DATABASE_SSL_MODE": "disable", "environment": "dev"})
    if user.isalpha():
        assert choose(names, stack="given").access.url.user == user
        return
    with pytest.raises(UserError, match=user) as refused:
        choose(names, stack="given")
    assert "docs/external.md" in refused.value.next


@pytest.mark.parametrize(
    ("typed", "goes_on"), [("127.0.0.1:5433/d", True), (" 127.0.0.1:5433/d ", True), ("127.0.0.1", False), ("y", False), ("yes", False)]
)
def test_only_the_name_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, goes_on: bool) -> None:
    monkeypatch.setenv("DIRECT_DATABASE_URL", LOCAL)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", lambda asked, **_: print(asked) or typed)
    chosen = choose(OWNER)
    if goes_on:
        chosen.confirm("Emptying", otherwise="do not")
    else:
        with pytest.raises(typer.Abort):
            chosen.confirm("Emptying", otherwise="do not")
    assert capsys.readouterr().out == "Emptying 127.0.0.1:5433/d. Type 127.0.0.1:5433/d to go on\n"


def test_without_a_terminal_nobody_waits(infraops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIRECT_DATABASE_URL", LOCAL)
    with pytest.raises(UserError, match="no terminal to type it on") as refused:
        choose(OWNER).confirm("Emptying", otherwise="do it by hand")
    assert refused.value.next == "do it by hand"


def test_a_stack_says_itself_what_it_is_for(infraops: Run) -> None:
    ended = infraops("migrate", "status", "--stack", "local", "--environment", "dev")
    assert ended.code == 1
    assert "stack local says itself what it is for" in ended.err
