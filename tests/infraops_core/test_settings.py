"""What a stack file may say, and what is said of its mistakes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infraops_core.errors import UserError
from infraops_core.settings import Environment, LocalSettings, SchemaMode, Settings, Target, every_setting, parse
from infraops_core.settings.grants import Grant

BOUNDED = settings(max_examples=100, deadline=None)

SECRET = "Sesam0effneDich"
TARGETS = ", ".join(Target)

EXTENSIONS = "a list of extensions' names, as [pgcrypto, pg_trgm]"

KEYS = (
    "infraops:adminDatabaseUrl",
    "infraops:connectionLimit",
    "infraops:cpus",
    "infraops:databaseUrl",
    "infraops:digest",
    "infraops:directDatabaseUrl",
    "infraops:environment",
    "infraops:extensions",
    "infraops:grants",
    "infraops:hostedWrites",
    "infraops:image",
    "infraops:memory",
    "infraops:port",
    "infraops:postgresBin",
    "infraops:postgresVersion",
    "infraops:protect",
    "infraops:provider",
    "infraops:readonlyDatabaseUrl",
    "infraops:rehearsal",
    "infraops:roles",
    "infraops:schema",
    "infraops:target",
    "infraops:tenant",
    "infraops:volume",
)

DEFAULTS = LocalSettings(
    stack="local",
    target=Target.LOCAL,
    environment=Environment.DEV,
    schema=SchemaMode.APPLY,
    postgres_version=None,
    protect=False,
    tenant="default",
    connection_limit=50,
    rehearsal="",
    extensions=(),
    grants=(),
    port=None,
    postgres_bin=None,
)


def refused(config: dict[Any, Any], stack: str = "local") -> UserError:
    with pytest.raises(UserError) as mistakes:
        parse(stack, config)
    return mistakes.value


def test_the_keys_there_are() -> None:
    assert tuple(every_setting()) == KEYS


def test_a_target_is_all_that_must_be_said() -> None:
    assert parse("local", {"infraops:target": "local"}) == DEFAULTS


@pytest.mark.parametrize(
    ("key", "value", "field", "read"),
    [
        ("environment", "dev", "environment", Environment.DEV),
        ("environment", "staging", "environment", Environment.STAGING),
        ("environment", "prod", "environment", Environment.PROD),
        ("schema", "apply", "schema", SchemaMode.APPLY),
        ("schema", "verify", "schema", SchemaMode.VERIFY),
        ("schema", "off", "schema", SchemaMode.OFF),
        ("postgresVersion", 16, "postgres_version", 16),
        ("postgresVersion", "18", "postgres_version", 18),
        ("protect", True, "protect", True),
        ("protect", "true", "protect", True),
        ("protect", False, "protect", False),
        ("tenant", "acme-1.eu_west", "tenant", "acme-1.eu_west"),
        ("tenant", 4711, "tenant", "4711"),
        ("tenant", "x" * 63, "tenant", "x" * 63),
        ("connectionLimit", 1, "connection_limit", 1),
        ("connectionLimit", "10000", "connection_limit", 10_000),
        ("rehearsal", "spring cutover, 2nd try", "rehearsal", "spring cutover, 2nd try"),
        ("rehearsal", 2, "rehearsal", "2"),
        ("rehearsal", True, "rehearsal", "true"),
        ("extensions", [], "extensions", ()),
        ("extensions", ["uuid-ossp", "vector", "vector"], "extensions", ("uuid-ossp", "vector")),
        ("extensions", '["pgcrypto"]', "extensions", ("pgcrypto",)),
        ("grants", [], "grants", ()),
        (
            "grants",
            [
                {"role": "app", "schema": "shop", "tables": ["DELETE", "select"], "sequences": ["usage"]},
                {"role": "readonly", "schema": "shop", "tables": ["select"]},
            ],
            "grants",
            (Grant("app", "shop", ("select", "delete"), ("usage",)), Grant("readonly", "shop", ("select",))),
        ),
        ("grants", '[{"role": "app", "schema": "public", "tables": ["select"]}]', "grants", (Grant("app", "public", ("select",)),)),
        ("port", 1024, "port", 1024),
        ("port", "65535", "port", 65535),
        ("postgresBin", "/usr/lib/postgresql/17/bin", "postgres_bin", Path("/usr/lib/postgresql/17/bin")),
    ],
)
def test_what_a_setting_may_be(key: str, value: Any, field: str, read: Any) -> None:
    made = parse("local", {"infraops:target": "local", f"infraops:{key}": value})
    assert getattr(made, field) == read
    assert type(getattr(made, field)) is type(read)


@pytest.mark.parametrize(
    ("key", "value", "shown", "allowed"),
    [
        ("target", "locale", '"locale"', f"one of: {TARGETS}"),
        ("target", None, "null", f"one of: {TARGETS}"),
        ("target", ["local"], "(a list)", f"one of: {TARGETS}"),
        ("environment", "production", '"production"', "one of: dev, staging, prod"),
        ("environment", "Prod", '"Prod"', "one of: dev, staging, prod"),
        ("schema", False, "false", "one of: apply, verify, off"),
        ("postgresVersion", 15, "15", "a whole number from 16 to 18"),
        ("postgresVersion", "17.2", "17.2", "a whole number from 16 to 18"),
        ("protect", "yes", '"yes"', "true or false"),
        ("protect", None, "null", "true or false"),
        ("tenant", "", '""', "letters, digits, . _ -, at most 63"),
        ("tenant", "-x", '"-x"', "letters, digits, . _ -, at most 63"),
        ("tenant", "x'; drop table y; --", '"x\'; drop table y; --"', "letters, digits, . _ -, at most 63"),
        ("tenant", "x" * 64, '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…', "letters, digits, . _ -, at most 63"),
        ("connectionLimit", 0, "0", "a whole number from 1 to 10000"),
        ("connectionLimit", 1.5, "1.5", "a whole number from 1 to 10000"),
        ("rehearsal", "two\nlines", '"two\\nlines"', "up to 100 plain characters"),
        ("rehearsal", "x" * 101, '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…', "up to 100 plain characters"),
        ("extensions", "pgcrypto", '"pgcrypto"', EXTENSIONS),
        ("extensions", ["a b"], "(a list)", EXTENSIONS),
        ("extensions", [1], "(a list)", EXTENSIONS),
        ("extensions", {"pgcrypto": True}, "(a mapping)", EXTENSIONS),
        ("grants", "[", '"["', "a list of grants: role, schema, tables, sequences (docs/settings.md)"),
        ("grants", ["app"], "(a list)", "grant 1: its keys are role, schema, tables, sequences"),
        ("grants", [{"role": "owner"}], "(a list)", "grant 1: role is one of: app, readonly"),
        ("grants", [{"role": "app"}], "(a list)", "grant 1: schema is a schema's name"),
        ("grants", [{"role": "app", "schema": "a"}], "(a list)", "grant 1: it grants nothing: say tables or sequences"),
        (
            "grants",
            [{"role": "app", "schema": "a", "tables": "select"}],
            "(a list)",
            "grant 1: tables is a list of some of: select, insert, update, delete",
        ),
        (
            "grants",
            [{"role": "app", "schema": "a", "tables": ["truncate"]}],
            "(a list)",
            "grant 1: tables is a list of some of: select, insert, update, delete",
        ),
        ("grants", [{"role": "app", "schema": "a", "sequences": ["update"]}], "(a list)", "grant 1: sequences is [usage]"),
        (
            "grants",
            [{"role": "app", "schema": "a", "functions": ["execute"]}],
            "(a list)",
            "grant 1: its keys are role, schema, tables, sequences",
        ),
        (
            "grants",
            [{"role": "readonly", "schema": "a", "tables": ["insert"]}],
            "(a list)",
            "grant 1: readonly gets select on tables, and nothing more",
        ),
        (
            "grants",
            [{"role": "readonly", "schema": "a", "tables": ["select"], "sequences": ["usage"]}],
            "(a list)",
            "grant 1: readonly gets select on tables, and nothing more",
        ),
        (
            "grants",
            [{"role": "app", "schema": "infraops_audit", "tables": ["update"]}],
            "(a list)",
            "grant 1: schema infraops_audit is not to be granted on: its rights are fixed",
        ),
        (
            "grants",
            [{"role": "app", "schema": "pg_catalog", "tables": ["update"]}],
            "(a list)",
            "grant 1: schema pg_catalog is not to be granted on: its rights are fixed",
        ),
        ("grants", [{"role": "app", "schema": "a", "tables": ["select"]}] * 2, "(a list)", "grant 2: app has one on schema a already"),
        ("port", 80, "80", "a whole number from 1024 to 65535"),
        ("port", {"secure": "v1:abc:def"}, "(encrypted)", "a whole number from 1024 to 65535"),
        ("postgresBin", "bin", '"bin"', "an absolute path"),
    ],
)
def test_a_mistake_is_told_with_key_value_and_what_is_allowed(key: str, value: Any, shown: str, allowed: str) -> None:
    error = refused({"infraops:target": "local", f"infraops:{key}": value})
    assert str(error).splitlines() == [
        "Pulumi.local.yaml: 1 problem",
        f"  infraops:{key}  {shown}  {allowed}",
        "  next:  fix the file, then: pulumi preview --stack local",
    ]


def test_all_mistakes_are_told_at_once() -> None:
    error = refused(
        {
            "infraops:environment": "production",
            "infraops:connectionLimit": 0,
            "infraops:protect": "yes",
            "infraops:prot": 5433,
            "infraops:url": {"secure": "v1:abc:def"},
        },
        stack="neon-prod",
    )
    assert str(error) == "\n".join(
        [
            "Pulumi.neon-prod.yaml: 6 problems",
            "  infraops:target                         is missing; one of: " + TARGETS,
            '  infraops:environment      "production"  one of: dev, staging, prod',
            '  infraops:protect          "yes"         true or false',
            "  infraops:connectionLimit  0             a whole number from 1 to 10000",
            "  infraops:prot             5433          unknown setting; did you mean infraops:port?",
            "  infraops:url              (encrypted)   unknown setting; docs/settings.md lists them",
            "  next:  fix the file, then: pulumi preview --stack neon-prod",
        ]
    )


def test_without_a_target_no_targets_keys_are_unknown() -> None:
    error = refused({"infraops:port": 5433, "infraops:postgresBin": "/usr/bin"})
    assert "unknown" not in str(error)
    assert "infraops:target  " in str(error)


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("targets", "target"),
        ("Target", "target"),
        ("enviroment", "environment"),
        ("environment ", "environment"),
        ("postgres_version", "postgresVersion"),
        ("postgresversion", "postgresVersion"),
        ("conectionLimit", "connectionLimit"),
        ("connection-limit", "connectionLimit"),
        ("tennant", "tenant"),
        ("postgresbin", "postgresBin"),
        ("protected", "protect"),
        ("config:target", "target"),
    ],
)
def test_an_unknown_key_suggests_a_near_one(key: str, near: str) -> None:
    assert f"did you mean infraops:{near}?" in str(refused({"infraops:target": "local", f"infraops:{key}": "x"}))


@pytest.mark.parametrize("key", ["", "x", "databaseUrl", "infraops:target", "17"])
def test_a_key_near_none_is_sent_to_the_list(key: str) -> None:
    assert "unknown setting; docs/settings.md lists them" in str(refused({"infraops:target": "local", f"infraops:{key}": "x"}))


def test_other_namespaces_are_left_alone() -> None:
    others: dict[Any, Any] = {
        "aws:region": "eu-central-1",
        "target": "x",
        "infraopsx:target": "x",
        17: "x",
        None: "x",
        ("infraops:", 1): "x",
    }
    assert parse("local", {"infraops:target": "local"} | others) == DEFAULTS


@pytest.mark.parametrize(
    ("environment", "said", "protect"),
    [
        ("dev", None, False),
        ("staging", None, False),
        ("prod", None, True),
        ("prod", False, False),
        ("dev", True, True),
    ],
)
def test_production_is_protected_unless_said_otherwise(environment: str, said: bool | None, protect: bool) -> None:
    config = {"infraops:target": "local", "infraops:environment": environment}
    assert parse("local", config if said is None else config | {"infraops:protect": said}).protect is protect


# Whatever is in the file

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(max_size=20)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=8)
likely = st.sampled_from(["local", "dev", "prod", "off", "apply", "17", 17, "true", True, 5433, "/usr/bin", {"secure": "v1:abc"}])
keys = st.sampled_from(KEYS) | st.text().map("infraops:".__add__) | scalars
configs = st.dictionaries(keys, likely | values, max_size=8)


@BOUNDED
@given(st.text(), configs)
@example("local", {"infraops:target": "local", "infraops:\ud800": "\ud800"})
@example("local", {"infraops:target": 10**5000, "infraops:tenant": 10**5000, "infraops:x": -(10**5000)})
def test_any_mapping_is_settings_or_a_users_mistakes(stack: str, config: dict[Any, Any]) -> None:
    try:
        made = parse(stack, config)
    except UserError:
        return
    assert isinstance(made, Settings)
    assert made.stack == stack


@BOUNDED
@given(st.dictionaries(st.text().map("infraops:".__add__).filter(lambda key: key not in KEYS), values, min_size=1, max_size=6))
def test_every_unknown_key_has_its_line(config: dict[str, Any]) -> None:
    lines = str(refused({"infraops:target": "local"} | config)).splitlines()
    count = len(config)
    assert lines[0] == f"Pulumi.local.yaml: {count} problem{'s' if count > 1 else ''}"
    assert len(lines) == count + 2
    assert all("unknown setting" in line for line in lines[1:-1])


settings_of_a_file = st.fixed_dictionaries(
    {"infraops:target": st.just("local")},
    optional={
        "infraops:environment": st.sampled_from(Environment).map(str),
        "infraops:schema": st.sampled_from(SchemaMode).map(str),
        "infraops:postgresVersion": st.integers(14, 20),
        "infraops:protect": st.booleans(),
        "infraops:tenant": st.integers(),
        "infraops:connectionLimit": st.integers(-1, 11_000),
        "infraops:rehearsal": st.integers() | st.booleans(),
        "infraops:port": st.integers(0, 70_000),
    },
)


@BOUNDED
@given(settings_of_a_file)
def test_text_and_yaml_scalars_give_the_same_settings(config: dict[str, Any]) -> None:
    def outcome(given: dict[str, Any]) -> Settings | str:
        try:
            return parse("local", given)
        except UserError as error:
            return str(error)

    as_text = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in config.items()}
    assert outcome(as_text) == outcome(config)


secret_values = st.sampled_from(
    [
        f"postgresql://u:{SECRET}@h/db",
        f"postgresql://u:p@{SECRET}@h/db",
        f"host=h password={SECRET}",
        f"x{' ' * 20}postgresql://u:{SECRET}{'x' * 40}@h/db",
        {"secure": SECRET},
        {"inner": {"secure": SECRET}},
        [{"secure": SECRET}],
        [f"postgresql://u:{SECRET}@h/db"],
    ]
)


@BOUNDED
@given(st.dictionaries(st.sampled_from(KEYS) | st.text().map("infraops:".__add__), secret_values, min_size=1))
@example({"infraops:password": SECRET, "infraops:adminSecret": SECRET, "infraops:api_token": SECRET})
@example({f"infraops:postgresql://u:{SECRET}@h/db": "x"})
def test_no_password_shows_in_a_message(config: dict[str, Any]) -> None:
    error = refused(config)
    assert SECRET not in f"{error} {error!r}"
