"""What the environment says, and everything in it that can't be meant."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infraops_cli import env_output
from infraops_cli.env_output import Format, render
from infraops_core import checkout, environment
from infraops_core.database_url import DatabaseUrl, parse
from infraops_core.environment import VARIABLES, DatabaseEnvironment, Variable, example
from infraops_core.errors import UserError
from infraops_core.tls import Tls

SECRET = "Sesam0effneDich"
PLACE = f"u:{SECRET}@db.example.com/d?sslmode=require"
PLAIN = f"postgresql://{PLACE}"
HERE = f"postgresql://u:{SECRET}@127.0.0.1:5433/d?sslmode=disable"
POOLER_HERE = f"postgresql://u:{SECRET}@127.0.0.1:6432/d?sslmode=disable&pgbouncer=true"
NEON = f"postgresql://u:{SECRET}@ep-cool-1.us-east-2.aws.neon.tech/d?sslmode=require"
NEON_POOLED = f"postgresql://u:{SECRET}@ep-cool-1-pooler.us-east-2.aws.neon.tech/d?sslmode=require"
NEON_OTHER = f"postgresql://u:{SECRET}@ep-warm-2.us-east-2.aws.neon.tech/d?sslmode=require"
SUPABASE = f"postgresql://postgres.abcdefghijklmnopqrst:{SECRET}@aws-0-eu-west-1.pooler.supabase.com:5432/d?sslmode=require"
SUPABASE_POOLED = f"postgresql://u.abcdefghijklmnopqrst:{SECRET}@aws-0-eu-west-1.pooler.supabase.com:6543/d?sslmode=require"


def described(**variables: str) -> DatabaseEnvironment:
    return environment.read(variables)


def complaint(variables: dict[str, str]) -> UserError | None:
    try:
        environment.read(variables)
    except UserError as refused:
        return refused
    return None


def problems(**variables: str) -> list[tuple[str, str]]:
    """By variable, what is wrong; none where the environment is taken."""
    refused = complaint(variables)
    if refused is None:
        return []
    assert SECRET not in str(refused)
    assert "docs/environment.md" in refused.next
    head, *lines = refused.what.splitlines()
    assert head == f"the environment: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return [(name, told.strip()) for name, _, told in (line.strip().partition(" ") for line in lines)]


def test_an_empty_environment_names_nothing_and_writes_nothing() -> None:
    found = environment.read({})
    assert (found.provider.name, found.url, found.direct_url, found.readonly_url, found.admin_url) == ("postgres", None, None, None, None)
    assert (found.tls, found.tls_named, found.writes_enabled) == (Tls.REQUIRE, None, False)


def test_everything_is_read() -> None:
    found = described(
        DATABASE_PROVIDER="neon", DATABASE_URL=NEON_POOLED, DIRECT_DATABASE_URL=NEON, READONLY_DATABASE_URL=NEON,
        ADMIN_DATABASE_URL=NEON.replace("/d?", "/postgres?"), DATABASE_SSL_MODE="require", ENABLE_HOSTED_AUDIT_WRITES="true",
    )  # fmt: skip
    assert (found.provider.name, found.url, found.direct_url, found.readonly_url) == ("neon", parse(NEON_POOLED), parse(NEON), parse(NEON))
    assert found.admin_url is not None
    assert (found.tls, found.tls_named, found.writes_enabled) == (Tls.REQUIRE, Tls.REQUIRE, True)
    assert SECRET not in repr(found)
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("variables", "provider"),
    [
        ({"DATABASE_URL": NEON_POOLED}, "neon"),
        ({"DATABASE_URL": POOLER_HERE, "DIRECT_DATABASE_URL": NEON}, "neon"),
        ({"DIRECT_DATABASE_URL": SUPABASE}, "supabase"),
        ({"DATABASE_URL": HERE}, "postgres"),
        ({"DATABASE_URL": PLAIN}, "postgres"),
        ({"DATABASE_URL": HERE, "DATABASE_PROVIDER": "local"}, "local"),
        ({"DATABASE_URL": PLAIN.replace("db.example.com", "34.1.2.3"), "DATABASE_PROVIDER": "cloud-sql"}, "cloud-sql"),
    ],
)
def test_the_host_tells_the_provider_where_it_is_not_named(variables: dict[str, str], provider: str) -> None:
    assert environment.read(variables).provider.name == provider


@pytest.mark.parametrize("around", ["{}", " {}", "{} ", "{}\n", "\r\n{}\r\n", '"{}"', "'{}'", '"{}"\n', '" {} "', "\t'{}' "])
def test_spaces_line_ends_and_a_dotenvs_quotes_are_no_part_of_a_value(around: str) -> None:
    found = described(
        DATABASE_URL=around.format(NEON), DATABASE_SSL_MODE=around.format("require"), ENABLE_HOSTED_AUDIT_WRITES=around.format("true"),
        DATABASE_PROVIDER=around.format("neon"),
    )  # fmt: skip
    assert (found.url, found.provider.name, found.tls_named, found.writes_enabled) == (parse(NEON), "neon", Tls.REQUIRE, True)


@pytest.mark.parametrize("nothing", ["", " ", "\n", '""', "''", '" "'])
def test_an_empty_value_is_none(nothing: str) -> None:
    assert environment.read({name: nothing for variable in VARIABLES for name in variable.names}) == environment.read({})


@pytest.mark.parametrize("names", [("DIRECT_DATABASE_URL",), ("DATABASE_URL_DIRECT",), ("DIRECT_DATABASE_URL", "DATABASE_URL_DIRECT")])
def test_the_direct_url_has_two_names(names: tuple[str, ...]) -> None:
    assert environment.read(dict.fromkeys(names, PLAIN)).direct_url == parse(PLAIN)


@pytest.mark.parametrize(
    ("url", "mode", "rule"),
    [
        (HERE, None, Tls.DISABLE),
        (HERE.replace("disable", "require"), Tls.REQUIRE, Tls.REQUIRE),
        (PLAIN, None, Tls.REQUIRE),
        (PLAIN, Tls.REQUIRE, Tls.REQUIRE),
        (PLAIN.replace("require", "verify-full"), Tls.VERIFY_FULL, Tls.VERIFY_FULL),
        (NEON, None, Tls.REQUIRE),
        (f"postgresql://u:{SECRET}@x.abc.eu-central-1.rds.amazonaws.com/d?sslmode=verify-full", None, Tls.VERIFY_FULL),
    ],
)
def test_the_rule_for_a_url(url: str, mode: Tls | None, rule: Tls) -> None:
    found = environment.read({"DATABASE_URL": url} | ({"DATABASE_SSL_MODE": str(mode)} if mode else {}))
    assert found.url is not None
    assert found.tls is found.rule(found.url) is rule


def test_a_pooler_on_this_machine_is_plain_and_the_database_behind_it_is_not() -> None:
    found = described(DATABASE_PROVIDER="neon", DATABASE_URL=POOLER_HERE, DIRECT_DATABASE_URL=NEON, DATABASE_SSL_MODE="disable")
    assert found.url is not None
    assert found.direct_url is not None
    assert (found.tls, found.rule(found.direct_url)) == (Tls.DISABLE, Tls.REQUIRE)


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": HERE, "DATABASE_SSL_MODE": "disable", "ENABLE_HOSTED_AUDIT_WRITES": "true", "DATABASE_PROVIDER": "local"},
        {"DATABASE_URL": HERE, "DIRECT_DATABASE_URL": HERE.replace("u:", "owner:").replace("127.0.0.1", "localhost")},
        {"DATABASE_URL": NEON_POOLED, "DIRECT_DATABASE_URL": NEON},
        {"DATABASE_URL": NEON, "DIRECT_DATABASE_URL": NEON},
        {"DATABASE_URL": SUPABASE_POOLED, "DIRECT_DATABASE_URL": SUPABASE},
        {"DATABASE_URL": SUPABASE_POOLED, "DIRECT_DATABASE_URL": PLAIN.replace("db.example.com", "db.abcdefghijklmnopqrst.supabase.co")},
        {
            "DATABASE_URL": PLAIN.replace("db.example", "db-private.example"),
            "DIRECT_DATABASE_URL": PLAIN.replace("db.example", "db.example"),
        },
        {"DATABASE_URL": PLAIN.replace("db.example", "private-db.example"), "DIRECT_DATABASE_URL": PLAIN},
        {"DATABASE_URL": f"{PLAIN}&pgbouncer=true".replace("db.example", "pool.example"), "DIRECT_DATABASE_URL": PLAIN},
        {"DATABASE_URL": PLAIN, "READONLY_DATABASE_URL": PLAIN.replace("db.example", "standby.example")},
        {"DATABASE_URL": PLAIN.replace("db.example.com", "a.example.com,b.example.com"), "DIRECT_DATABASE_URL": PLAIN.replace("db.", "b.")},
        {"DATABASE_URL": PLAIN.replace("db.example.com", "dpg-abc-a"), "DATABASE_PROVIDER": "render"},
        {"DATABASE_URL": f"{PLAIN}&hostaddr=127.0.0.1", "DATABASE_SSL_MODE": "require"},
    ],
)
def test_what_goes_together_is_taken(variables: dict[str, str]) -> None:
    assert problems(**variables) == []


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"DATABASE_PROVIDER": "nile"}, [("DATABASE_PROVIDER", '"nile": one of: neon, supabase')]),
        ({"DATABASE_URL": "mysql://u:{SECRET}@h/d"}, [("DATABASE_URL", "postgres:// or postgresql://")]),
        ({"DATABASE_SSL_MODE": "prefer"}, [("DATABASE_SSL_MODE", '"prefer": one of: disable, require, verify-full')]),
        ({"ENABLE_HOSTED_AUDIT_WRITES": "yes"}, [("ENABLE_HOSTED_AUDIT_WRITES", '"yes": true or false')]),
        ({"INFRAOPS_HOSTS": "/" + "x" * 5000}, [("INFRAOPS_HOSTS", "no such file")]),
        ({"INFRAOPS_HOSTS": "/no/such/file"}, [("INFRAOPS_HOSTS", '"/no/such/file": no such file')]),
        (
            {"DIRECT_DATABASE_URL": PLAIN, "DATABASE_URL_DIRECT": NEON},
            [("DIRECT_DATABASE_URL", "is not what its other name DATABASE_URL_DIRECT holds")],
        ),
        ({"DATABASE_URL_DIRECT": "h"}, [("DATABASE_URL_DIRECT", "")]),
        (
            {"DATABASE_PROVIDER": "neon", "DATABASE_URL": SUPABASE},
            [("DATABASE_PROVIDER", "DATABASE_URL names aws-0-eu-west-1.pooler.supabase.com, a host of Supabase (supabase)")],
        ),
        ({"DATABASE_PROVIDER": "postgres", "DATABASE_URL": NEON}, [("DATABASE_PROVIDER", "a host of Neon (neon)")]),
        ({"DATABASE_PROVIDER": "neon", "DATABASE_URL": PLAIN}, [("DATABASE_PROVIDER", "db.example.com, no host of Neon")]),
        ({"DATABASE_PROVIDER": "neon", "DATABASE_URL": HERE}, [("DATABASE_PROVIDER", "127.0.0.1, this machine")]),
        ({"DATABASE_PROVIDER": "local", "DATABASE_URL": PLAIN}, [("DATABASE_PROVIDER", "db.example.com, another machine than this")]),
        ({"DATABASE_PROVIDER": "docker", "DIRECT_DATABASE_URL": NEON}, [("DATABASE_PROVIDER", "a host of Neon (neon)")]),
        (
            {"DATABASE_URL": NEON.replace("sslmode=require", "sslmode=prefer")},
            [("DATABASE_URL", "sslmode=require or stronger, and the URL says sslmode=prefer")],
        ),
        ({"READONLY_DATABASE_URL": PLAIN.replace("require", "disable")}, [("READONLY_DATABASE_URL", "sslmode=disable")]),
        ({"DATABASE_URL": PLAIN, "DATABASE_SSL_MODE": "disable"}, [("DATABASE_SSL_MODE", "is disable, and DATABASE_URL names another")]),
        ({"DATABASE_PROVIDER": "neon", "DATABASE_SSL_MODE": "disable"}, [("DATABASE_SSL_MODE", "Neon is used with require or stronger")]),
        ({"DATABASE_PROVIDER": "rds", "DATABASE_SSL_MODE": "require"}, [("DATABASE_SSL_MODE", "verify-full or stronger")]),
        (
            {"DATABASE_URL": PLAIN, "DATABASE_SSL_MODE": "verify-full"},
            [("DATABASE_SSL_MODE", "is verify-full, and DATABASE_URL says sslmode=require")],
        ),
        ({"DIRECT_DATABASE_URL": HERE, "DATABASE_SSL_MODE": "require"}, [("DATABASE_SSL_MODE", "says sslmode=disable")]),
        (
            {"DIRECT_DATABASE_URL": NEON_POOLED},
            [
                (
                    "DIRECT_DATABASE_URL",
                    "leads to Neon's pooler, which keeps no session; the direct one is ep-cool-1.us-east-2.aws.neon.tech",
                )
            ],
        ),
        ({"ADMIN_DATABASE_URL": SUPABASE_POOLED}, [("ADMIN_DATABASE_URL", "the direct one is aws-0-eu-west-1.pooler.supabase.com:5432")]),
        ({"DIRECT_DATABASE_URL": POOLER_HERE}, [("DIRECT_DATABASE_URL", "the direct one is the database's own host and port")]),
        (
            {"DATABASE_URL": PLAIN, "DIRECT_DATABASE_URL": PLAIN.replace("/d?", "/e?")},
            [("DIRECT_DATABASE_URL", "names the database e, and DATABASE_URL names d")],
        ),
        (
            {"DATABASE_URL": PLAIN, "READONLY_DATABASE_URL": PLAIN.replace("/d?", "/e?")},
            [("READONLY_DATABASE_URL", "names the database e")],
        ),
        (
            {"DATABASE_URL": PLAIN, "DIRECT_DATABASE_URL": PLAIN.replace("db.", "old.")},
            [("DIRECT_DATABASE_URL", "names the server old.example.com:5432, and DATABASE_URL names db.example.com:5432")],
        ),
        ({"DATABASE_URL": NEON_POOLED, "DIRECT_DATABASE_URL": NEON_OTHER}, [("DIRECT_DATABASE_URL", "names the server ep-warm-2")]),
        ({"DATABASE_URL": NEON, "DIRECT_DATABASE_URL": SUPABASE}, [("DIRECT_DATABASE_URL", "names the server aws-0")]),
        ({"DATABASE_URL": HERE, "DIRECT_DATABASE_URL": HERE.replace("5433", "5434")}, [("DIRECT_DATABASE_URL", "127.0.0.1:5434")]),
        ({"DATABASE_URL": HERE, "DIRECT_DATABASE_URL": PLAIN}, [("DIRECT_DATABASE_URL", "names the server db.example.com")]),
        ({"ENABLE_HOSTED_AUDIT_WRITES": "true"}, [("ENABLE_HOSTED_AUDIT_WRITES", "DATABASE_URL, where they would go, is not set")]),
        (
            {"DATABASE_PROVIDER": "neon", "DATABASE_URL": NEON.replace("?sslmode=require", ""), "ENABLE_HOSTED_AUDIT_WRITES": "true"},
            [("DATABASE_URL", "the URL says no sslmode, which means prefer")],
        ),
    ],
)
def test_refused_and_why(variables: dict[str, str], told: list[tuple[str, str]]) -> None:
    found = problems(**{name: value.replace("{SECRET}", SECRET) for name, value in variables.items()})
    assert [name for name, _ in found] == [name for name, _ in told]
    for (_, text), (_, part) in zip(found, told, strict=True):
        assert part in text


def test_every_problem_is_told_at_once() -> None:
    found = problems(
        DATABASE_PROVIDER="neon", DATABASE_URL=PLAIN, DATABASE_SSL_MODE="disable", ENABLE_HOSTED_AUDIT_WRITES="on",
        DIRECT_DATABASE_URL=NEON_POOLED.replace("sslmode=require", "sslmode=disable"), READONLY_DATABASE_URL="nonsense",
        INFRAOPS_HOSTS="/no",
    )  # fmt: skip
    assert [name for name, _ in found] == [
        "DATABASE_PROVIDER", "DATABASE_SSL_MODE", "ENABLE_HOSTED_AUDIT_WRITES", "DIRECT_DATABASE_URL", "DIRECT_DATABASE_URL",
        "READONLY_DATABASE_URL", "INFRAOPS_HOSTS",
    ]  # fmt: skip


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)


@given(st.dictionaries(st.sampled_from([name for variable in VARIABLES for name in variable.names]), texts))
def test_whatever_it_holds_it_is_read_or_refused(variables: dict[str, str]) -> None:
    refused = complaint(variables)
    assert refused is None or refused.what.startswith("the environment: ")


passwords = st.text(st.characters(codec="ascii", exclude_characters="\x00"), min_size=8, max_size=20).map("Geheim{}Geheim".format)


@given(passwords, st.sampled_from(VARIABLES))
def test_no_password_is_told(password: str, variable: Variable) -> None:
    url = DatabaseUrl("u", password, "db.example.com", 5432, "d").with_password()
    torn = (f"postgresql://u:{password}@h:x/d", f"'{password}@h") if variable.secret else ()
    for text in (url, url.replace(":5432", ":x"), *torn):
        for name in variable.names:
            assert "Geheim" not in str(complaint({"DATABASE_SSL_MODE": "verify-full", name: text}))


def test_the_example_is_made_from_the_table() -> None:
    assert (checkout.ROOT / ".env.example").read_text() == example.text(), "python -m infraops_core.environment > .env.example"


def in_a_shell(text: str, folder: Path) -> dict[str, str]:
    """What a shell that has read a dotenv hands to its programs."""
    (folder / "env").write_text(text)
    ran = subprocess.run(["sh", "-c", "set -a\n. ./env\nexec env -0"], cwd=folder, env={}, capture_output=True, text=True, check=True)
    return dict(pair.split("=", 1) for pair in ran.stdout.split("\0") if pair)


def test_the_example_goes_together_with_every_line_in_force(tmp_path: Path) -> None:
    (tmp_path / "hosts").touch()
    whole = example.text().replace("\n# ", "\n").replace("/etc/infraops/hosts", str(tmp_path / "hosts"))
    lines = "\n".join(line for line in whole.splitlines() if any(line.startswith(f"{variable.name}=") for variable in VARIABLES))
    found = in_a_shell(lines, tmp_path)
    assert {variable.name for variable in VARIABLES} <= set(found)
    assert problems(**found) == []


OUTPUTS = {"DATABASE_PROVIDER": "neon", "DATABASE_URL": NEON_POOLED, "DATABASE_SSL_MODE": "require", "ENABLE_HOSTED_AUDIT_WRITES": "true",
           "DIRECT_DATABASE_URL": NEON}  # fmt: skip


def test_a_dotenv_that_we_print_reads_back_in_a_shell_and_where_quotes_stay(tmp_path: Path) -> None:
    dotenv = render(OUTPUTS, Format.DOTENV)
    kept = dict(line.split("=", 1) for line in dotenv.splitlines())  # as docker run --env-file does
    assert environment.read(in_a_shell(dotenv, tmp_path)) == environment.read(kept) == environment.read(OUTPUTS)


def test_what_we_print_is_in_the_table() -> None:
    assert tuple(variable.name for variable in VARIABLES if variable.application) == env_output.APPLICATION
    assert {variable.name for variable in VARIABLES} >= set(env_output.DIRECT)


def test_every_variable_has_a_row_in_the_documentation() -> None:
    page = (checkout.ROOT / "docs" / "environment.md").read_text()
    for variable in VARIABLES:
        names = " or ".join(f"`{name}`" for name in variable.names)
        assert f"| {names} | {variable.meaning} | {variable.without} |" in page
