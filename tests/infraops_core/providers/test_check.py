"""Which URLs a provider's databases may be used with, how a role logs in there, and what more is refused."""

import pytest

from infraops_core import providers
from infraops_core.database_url import parse
from infraops_core.errors import UserError
from infraops_core.tls import Tls

NEON = "ep-a.us-east-2.aws.neon.tech/d"
RDS = "a.x.eu-west-1.rds.amazonaws.com/d"
SHARED = "aws-0-eu-west-1.pooler.supabase.com"


@pytest.mark.parametrize("sslmode", ["disable", "allow", "prefer"])
@pytest.mark.parametrize("provider", [provider for provider in providers.ALL if provider.hosted], ids=lambda provider: provider.name)
def test_hosted_refuses_what_may_go_on_without_tls(provider: providers.Provider, sslmode: str) -> None:
    url = parse(f"postgresql://u:secret@db.example.com/d?sslmode={sslmode}")
    with pytest.raises(UserError) as refused:
        provider.check(url)
    assert refused.value.what == (
        f"{provider.title} is used with sslmode={provider.tls} or stronger, and the URL says sslmode={sslmode}"
    )  # fmt: skip
    assert refused.value.where == "database URL (host db.example.com)"
    assert refused.value.next.startswith(f"put sslmode={provider.tls} ")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("place", "add"),
    [
        (NEON, "put sslmode=require into the URL"),
        ("x.proxy.rlwy.net:1/d", "put sslmode=require into the URL"),
        (f"{RDS}?sslmode=require",
         "put sslmode=verify-full and sslrootcert=FILE into the URL; the CA: "
         "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem; for RDS Proxy the roots of Amazon Trust Services"),
        (f"{RDS}?sslmode=verify-ca", "put sslmode=verify-full and sslrootcert=FILE into the URL; the CA: https://truststore"),
        ("x.db.ondigitalocean.com:25060/d?sslmode=require",
         "put sslmode=verify-full and sslrootcert=FILE into the URL; the CA: `doctl databases get-ca CLUSTER`"),
        ("db.example.com/d", "put sslmode=require into the URL"),
    ],
)  # fmt: skip
def test_refused_and_what_to_put_in(place: str, add: str) -> None:
    url = parse(f"postgresql://u:secret@{place}")
    with pytest.raises(UserError) as refused:
        providers.of(url).check(url)
    assert refused.value.next.startswith(add)


def test_a_url_that_says_nothing_is_told_what_that_means() -> None:
    url = parse(f"postgresql://u:secret@{NEON}")
    with pytest.raises(UserError, match="Neon is used with sslmode=require or stronger, and the URL says no sslmode, which means prefer"):
        providers.of(url).check(url)


@pytest.mark.parametrize(
    "place",
    [
        f"{NEON}?sslmode=require",
        f"{NEON}?sslmode=require&channel_binding=require",
        f"{NEON}?sslmode=verify-full&sslrootcert=system",
        f"{NEON}?sslrootcert=system",
        f"{RDS}?sslmode=verify-full&sslrootcert=/etc/rds.pem",
        "x.db.ondigitalocean.com:25061/pool?sslmode=verify-full&sslrootcert=/etc/do.pem",
        "db.ref.supabase.co/d?sslmode=require",
        "p.abc.db.postgresbridge.com/d?sslmode=verify-ca&sslrootcert=/etc/team.pem",
        "dpg-abc-a.oregon-postgres.render.com/d?sslmode=require",
        "postgres.railway.internal/d?sslmode=require",
        "203.0.113.7/d?sslmode=require",
        "127.0.0.1/d",
        "localhost/d?sslmode=disable",
        "[::1]:6543/d?sslmode=allow",
    ],
)
def test_what_passes(place: str) -> None:
    url = parse(f"postgresql://u:p@{place}")
    providers.of(url).check(url)


@pytest.mark.parametrize(
    ("name", "place", "rule"),
    [
        ("cloud-sql", "127.0.0.1:5433/d", Tls.DISABLE),  # its proxy encrypts
        ("cloud-sql", "203.0.113.7/d", Tls.REQUIRE),
        ("postgres", "localhost/d", Tls.DISABLE),
        ("postgres", "db.example.com/d", Tls.REQUIRE),
        ("postgres", "db.example.com/d?hostaddr=127.0.0.1", Tls.REQUIRE),  # a tunnel leads elsewhere
        ("local", "127.0.0.1/d", Tls.DISABLE),
        ("docker", "127.0.0.1/d", Tls.DISABLE),
        ("rds", "a.x.eu-west-1.rds.amazonaws.com/d?hostaddr=127.0.0.1", Tls.VERIFY_FULL),
        ("neon", "127.0.0.1/d", Tls.REQUIRE),
    ],
)
def test_loopback_is_the_only_place_without_tls(name: str, place: str, rule: Tls) -> None:
    assert providers.named(name).rule(parse(f"postgresql://u:p@{place}")) is rule


@pytest.mark.parametrize(
    ("like", "role", "login"),
    [
        (f"postgres.abcdefghijklmnopqrst:p@{SHARED}:6543/postgres", "infraops_app", "infraops_app.abcdefghijklmnopqrst"),
        (f"postgres.abcdefghijklmnopqrst:p@{SHARED.upper()}./postgres", "infraops_app", "infraops_app.abcdefghijklmnopqrst"),
        (f"my.odd.role.abcdefghijklmnopqrst:p@{SHARED}/postgres", "infraops_app", "infraops_app.abcdefghijklmnopqrst"),
        (f"postgres:p@{SHARED}/postgres?options=reference%3Dabc", "infraops_app", "infraops_app"),
        ("postgres:p@db.abcdefghijklmnopqrst.supabase.co/postgres", "infraops_app", "infraops_app"),
        ("an.other:p@db.abcdefghijklmnopqrst.supabase.co:6543/postgres", "infraops_app", "infraops_app"),
        (f"neondb_owner:p@{NEON}", "infraops_app", "infraops_app"),
        ("a.b:p@db.example.com/d", "infraops_app", "infraops_app"),
        ("doadmin:p@x.db.ondigitalocean.com:25061/pool", "infraops_app", "infraops_app"),
    ],
)
def test_how_a_role_logs_in(like: str, role: str, login: str) -> None:
    url = parse(f"postgresql://{like}")
    assert providers.of(url).login(role, url) == login


@pytest.mark.parametrize(
    ("place", "role"),
    [
        (f"postgres.abc:p@{SHARED}/d", "postgres"),
        (f"my.role.abc:p@{SHARED}/d", "my.role"),
        (f"postgres:p@{SHARED}/d?options=reference%3Dabc", "postgres"),
        ("an.other:p@db.abc.supabase.co/d", "an.other"),
        ("a.b:p@db.example.com/d", "a.b"),
    ],
)
def test_whose_login_it_is(place: str, role: str) -> None:
    url = parse(f"postgresql://{place}")
    assert providers.of(url).role(url) == role


def test_the_shared_pooler_wants_the_project_in_the_users_name() -> None:
    url = parse(f"postgresql://postgres:secret@{SHARED}:6543/postgres?sslmode=require")
    with pytest.raises(UserError, match="finds the project by the user name, and postgres names none") as refused:
        providers.of(url).check(url)
    assert refused.value.next == "write the user as postgres.PROJECT; the project's reference is in its dashboard under Connect"
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "place",
    [
        f"postgres.abc:p@{SHARED}:6543/postgres?sslmode=require",
        f"postgres:p@{SHARED}:6543/postgres?sslmode=require&options=reference%3Dabc",
        "postgres:p@db.abc.supabase.co/postgres?sslmode=require",
    ],
)
def test_a_project_may_be_named_in_three_ways(place: str) -> None:
    url = parse(f"postgresql://{place}")
    providers.of(url).check(url)


@pytest.mark.parametrize(
    ("name", "limit", "refused"),
    [("neon", 4000, ""), ("neon", 4001, "4000"), ("render", 500, ""), ("render", 501, "500"), ("rds", 10_000, ""), ("local", 10_000, "")],
)
def test_more_connections_than_any_of_its_databases_takes(name: str, limit: int, refused: str) -> None:
    provider = providers.named(name)
    if not refused:
        provider.check_connection_limit(limit)
        return
    with pytest.raises(UserError, match=rf"takes {refused} connections at most \(.+, 2026-11\), not {limit}") as error:
        provider.check_connection_limit(limit)
    assert error.value.where == "infraops:connectionLimit"
    assert error.value.next == f"set it to {refused} or less"
