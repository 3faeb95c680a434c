"""What the file of an external stack may say: secrets, and what of them does not go together."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infraops_core.database_url import parse as parse_url
from infraops_core.errors import UserError
from infraops_core.settings import ExternalSettings, RolesFrom, SchemaMode, parse, secret_settings
from infraops_core.tls import Tls

SECRET = "Sesam0effneDich"
POOLED = f"postgresql://u:{SECRET}@ep-x-1-pooler.eu-central-1.aws.neon.tech/shop?sslmode=require&channel_binding=require"
DIRECT = f"postgresql://u:{SECRET}@ep-x-1.eu-central-1.aws.neon.tech/shop?sslmode=require"
BOUNCED = f"postgresql://u:{SECRET}@db.example.com:6432/shop?sslmode=require&pgbouncer=true"
PLAIN = f"postgresql://u:{SECRET}@db.example.com/shop?sslmode=require"
ADMIN = f"postgresql://boss:{SECRET}@db.example.com:5433/postgres?sslmode=verify-full&sslrootcert=system"
HERE = f"postgresql://u:{SECRET}@127.0.0.1:6543/shop"
SHARED = f"postgresql://postgres.abcdefghijklmnopqrst:{SECRET}@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?sslmode=require"


def read(secrets: dict[str, str], **plain: Any) -> ExternalSettings:
    """As the program reads it, with what is encrypted at hand."""
    config = {"infraops:target": "external"} | {f"infraops:{key}": value for key, value in plain.items()}
    hidden = {f"infraops:{key}": {"secure": ""} for key in secrets}
    made = parse("shop", config | hidden, {f"infraops:{key}": value for key, value in secrets.items()})
    assert isinstance(made, ExternalSettings)
    return made


def problems(secrets: dict[str, str], **plain: Any) -> list[str]:
    """`KEY: what is wrong with it` of each line."""
    with pytest.raises(UserError) as mistakes:
        read(secrets, **plain)
    assert SECRET not in f"{mistakes.value} {mistakes.value!r}"
    lines = str(mistakes.value).splitlines()[1:-1]
    return [line.strip().removeprefix("infraops:").replace("(encrypted)", "").replace("  ", " ").strip() for line in lines]


def test_a_url_is_all_that_must_be_said() -> None:
    made = read({"databaseUrl": PLAIN})
    assert made.database_url == parse_url(PLAIN)
    assert (made.roles, made.schema, made.named_provider, made.hosted_writes) == (RolesFrom.MAKE, SchemaMode.APPLY, None, None)
    assert SECRET not in repr(made)


def test_without_the_passphrase_an_encrypted_url_is_taken_as_it_is() -> None:
    made = parse("shop", {"infraops:target": "external", "infraops:databaseUrl": {"secure": "v1:abc"}})
    assert isinstance(made, ExternalSettings)
    assert made.database_url is None


@pytest.mark.parametrize("value", [PLAIN, "x", 17, None, ["x"], {"inner": PLAIN}])
def test_a_url_in_clear_is_refused_unseen(value: Any) -> None:
    with pytest.raises(UserError) as mistakes:
        parse("shop", {"infraops:target": "external", "infraops:databaseUrl": value})
    assert "is a secret, and here in clear: take it out, then: infraops secret set shop databaseUrl" in str(mistakes.value)
    assert SECRET not in str(mistakes.value)
    assert "db.example.com" not in str(mistakes.value)


def test_a_missing_url_is_told_with_the_command_that_stores_it() -> None:
    assert [" ".join(line.split()) for line in problems({})] == ["databaseUrl is missing; infraops secret set shop databaseUrl"]


@pytest.mark.parametrize(
    ("secrets", "plain", "told"),
    [
        ({"databaseUrl": "mysql://h/db"}, {}, ["databaseUrl", "postgres:// or postgresql://"]),
        ({"databaseUrl": PLAIN.replace("require", "prefer")}, {}, ["databaseUrl", "sslmode=require or stronger"]),
        ({"databaseUrl": PLAIN.replace("require", "disable")}, {}, ["databaseUrl", "sslmode=require"]),
        ({"databaseUrl": DIRECT.partition("?")[0]}, {}, ["databaseUrl", "Neon is used with sslmode=require or stronger"]),
        ({"databaseUrl": POOLED, "adminDatabaseUrl": POOLED}, {}, ["adminDatabaseUrl", "use ep-x-1.eu-central-1.aws.neon.tech:5432"]),
        ({"databaseUrl": BOUNCED, "adminDatabaseUrl": BOUNCED}, {}, ["adminDatabaseUrl", "use the database's own host and port"]),
        ({"databaseUrl": BOUNCED}, {}, ["adminDatabaseUrl", "is missing: databaseUrl leads to a pooler (db.example.com:6432)"]),
        ({"databaseUrl": PLAIN, "directDatabaseUrl": PLAIN}, {}, ["directDatabaseUrl", "with infraops:roles: given only"]),
        ({"databaseUrl": PLAIN, "readonlyDatabaseUrl": PLAIN}, {}, ["readonlyDatabaseUrl", "with infraops:roles: given only"]),
        ({"databaseUrl": PLAIN}, {"roles": "given"}, ["directDatabaseUrl", "is missing: the owner's URL"]),
        ({"databaseUrl": PLAIN}, {"roles": "given", "schema": "verify"}, ["directDatabaseUrl", "or infraops:schema: off"]),
        ({"databaseUrl": PLAIN, "directDatabaseUrl": PLAIN}, {"roles": "given", "extensions": '["pgcrypto"]'}, ["extensions", "make only"]),
        ({"databaseUrl": PLAIN}, {"roles": "theirs"}, ["roles", "one of: make, given"]),
        ({"databaseUrl": PLAIN}, {"provider": "neno"}, ["provider", "one of: neon, supabase"]),
        ({"databaseUrl": PLAIN}, {"provider": "local"}, ["provider", "one of: neon, supabase"]),
        ({"databaseUrl": DIRECT}, {"provider": "supabase"}, ["provider", "the host of databaseUrl is one of Neon's"]),
        ({"databaseUrl": DIRECT}, {"provider": "postgres"}, ["provider", "the host of databaseUrl is one of Neon's"]),
        (
            {"databaseUrl": PLAIN, "adminDatabaseUrl": DIRECT},
            {},
            ["adminDatabaseUrl", "is not one of Postgres's, and that of databaseUrl is"],
        ),
        ({"databaseUrl": DIRECT, "adminDatabaseUrl": SHARED}, {}, ["adminDatabaseUrl", "is not one of Neon's, and that of databaseUrl is"]),
        ({"databaseUrl": HERE + "?sslmode=require"}, {"provider": "neon"}, ["provider", "Neon is not at 127.0.0.1: leave this out"]),
        ({"databaseUrl": HERE, "adminDatabaseUrl": ADMIN}, {}, ["databaseUrl", "one rule has to hold for all URLs"]),
        ({"databaseUrl": PLAIN + "&sslrootcert=ca.pem"}, {}, ["databaseUrl", "sslrootcert=ca.pem is found from one folder only"]),
        ({"databaseUrl": PLAIN + "&sslkey=~/a.key"}, {}, ["databaseUrl", "sslkey=~/a.key is found from one folder only"]),
        ({"databaseUrl": "service=no_such"}, {}, ["databaseUrl", "is defined in no service file (/"]),
        ({"databaseUrl": PLAIN}, {"hostedWrites": "yes"}, ["hostedWrites", "true or false"]),
        ({"databaseUrl": PLAIN}, {"port": 5432}, ["port", "unknown setting"]),
    ],
)
def test_refused_and_why(secrets: dict[str, str], plain: dict[str, Any], told: list[str]) -> None:
    [line] = problems(secrets, **plain)
    assert line.startswith(told[0])
    assert told[1] in line


def test_all_mistakes_are_told_at_once() -> None:
    secrets = {"databaseUrl": PLAIN.replace("require", "allow"), "adminDatabaseUrl": POOLED, "readonlyDatabaseUrl": "x"}
    assert [line.split()[0] for line in problems(secrets, roles="make", hostedWrites="maybe", tennant="x")] == [
        "readonlyDatabaseUrl", "hostedWrites", "tennant", "adminDatabaseUrl", "databaseUrl",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("secrets", "plain", "app", "owner", "admin"),
    [
        ({"databaseUrl": PLAIN}, {}, "app@db.example.com:5432/shop?sslmode=require", "own@db.example.com:5432/shop?sslmode=require",
         "u@db.example.com:5432/shop?sslmode=require"),
        ({"databaseUrl": POOLED}, {},
         "app@ep-x-1-pooler.eu-central-1.aws.neon.tech:5432/shop?sslmode=require&channel_binding=require",
         "own@ep-x-1.eu-central-1.aws.neon.tech:5432/shop?sslmode=require&channel_binding=require",
         "u@ep-x-1.eu-central-1.aws.neon.tech:5432/shop?sslmode=require&channel_binding=require"),
        ({"databaseUrl": BOUNCED, "adminDatabaseUrl": ADMIN}, {}, "app@db.example.com:6432/shop?sslmode=require&pgbouncer=true",
         "own@db.example.com:5433/shop?sslmode=verify-full&sslrootcert=system",
         "boss@db.example.com:5433/postgres?sslmode=verify-full&sslrootcert=system"),
        ({"databaseUrl": SHARED}, {}, "app.abcdefghijklmnopqrst@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?sslmode=require",
         "own.abcdefghijklmnopqrst@aws-0-eu-central-1.pooler.supabase.com:5432/postgres?sslmode=require",
         "postgres.abcdefghijklmnopqrst@aws-0-eu-central-1.pooler.supabase.com:5432/postgres?sslmode=require"),
        ({"databaseUrl": HERE}, {}, "app@127.0.0.1:6543/shop", "own@127.0.0.1:6543/shop", "u@127.0.0.1:6543/shop"),
    ],
)  # fmt: skip
def test_the_roles_urls_are_like_the_given_one(secrets: dict[str, str], plain: dict[str, Any], app: str, owner: str, admin: str) -> None:
    made = read(secrets, **plain)
    assert made.admin is not None
    for url, password, expected in (
        (made.like.url("app", "pw1", pooled=True), "pw1", app),
        (made.like.url("own", "pw2", pooled=False), "pw2", owner),
        (made.admin, SECRET, admin),
    ):
        assert url.with_password() == "postgresql://" + expected.replace("@", f":{password}@", 1)


@pytest.mark.parametrize(
    ("secrets", "plain", "provider", "tls", "writes"),
    [
        ({"databaseUrl": PLAIN}, {}, "postgres", Tls.REQUIRE, False),
        ({"databaseUrl": PLAIN.replace("require", "verify-full")}, {}, "postgres", Tls.VERIFY_FULL, False),
        ({"databaseUrl": PLAIN.replace("require", "verify-ca")}, {}, "postgres", Tls.REQUIRE, False),
        ({"databaseUrl": PLAIN, "adminDatabaseUrl": ADMIN}, {}, "postgres", Tls.REQUIRE, False),
        ({"databaseUrl": PLAIN}, {"hostedWrites": "true"}, "postgres", Tls.REQUIRE, True),
        ({"databaseUrl": HERE}, {}, "postgres", Tls.DISABLE, True),
        ({"databaseUrl": HERE + "?sslmode=require"}, {}, "postgres", Tls.REQUIRE, True),
        ({"databaseUrl": DIRECT}, {}, "neon", Tls.REQUIRE, False),
        ({"databaseUrl": DIRECT}, {"hostedWrites": True}, "neon", Tls.REQUIRE, True),
        ({"databaseUrl": PLAIN}, {"hostedWrites": "false"}, "postgres", Tls.REQUIRE, False),
        ({"databaseUrl": PLAIN}, {"provider": "supabase"}, "supabase", Tls.REQUIRE, False),
    ],
)
def test_provider_rule_and_writes(secrets: dict[str, str], plain: dict[str, Any], provider: str, tls: Tls, writes: bool) -> None:
    made = read(secrets, **plain)
    assert (made.provider.name, made.tls, made.writes_enabled) == (provider, tls, writes)


def test_given_roles_are_taken_as_they_are() -> None:
    made = read({"databaseUrl": BOUNCED, "directDatabaseUrl": PLAIN, "readonlyDatabaseUrl": BOUNCED}, roles="given")
    assert made.admin is None
    assert made.like.direct.places[0].port == 5432
    assert read({"databaseUrl": BOUNCED}, roles="given", schema="off").direct_database_url is None


def test_which_settings_are_secrets() -> None:
    assert list(secret_settings("external")) == ["databaseUrl", "adminDatabaseUrl", "directDatabaseUrl", "readonlyDatabaseUrl"]
    assert secret_settings("local") == {}
    assert secret_settings(None) == {}


urls = st.sampled_from([POOLED, DIRECT, BOUNCED, PLAIN, ADMIN, HERE, SHARED, f"x{SECRET}", "", f"host=h password={SECRET}"])
keys = st.sampled_from(list(secret_settings("external")))
others = st.fixed_dictionaries(
    {},
    optional={
        "roles": st.sampled_from(["make", "given", "x"]),
        "schema": st.sampled_from(["apply", "off"]),
        "provider": st.sampled_from(["neon", "postgres", "cloud-sql", SECRET]),
        "hostedWrites": st.booleans(),
    },
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(keys, urls), others)
def test_whatever_the_urls_are_it_is_settings_or_mistakes_without_a_password(secrets: dict[str, str], plain: dict[str, Any]) -> None:
    try:
        made = read(secrets, **plain)
    except UserError as error:
        told = f"{error} {error!r}"
    else:
        told = repr(made)
        for url in made.urls:
            made.provider.check(url)
            url.check_tls(made.tls)
    assert f":{SECRET}@" not in told
    assert f"password={SECRET}" not in told
