"""Whose a URL is, by its hosts: the documented shapes with made-up names, and what only looks like them."""

import pytest

from infraops_core import providers
from infraops_core.database_url import parse
from infraops_core.errors import UserError

HOSTS = [
    ("neon", "ep-cool-darkness-a1b2c3d4.us-east-2.aws.neon.tech"),
    ("neon", "ep-cool-darkness-a1b2c3d4-pooler.c-2.eu-central-1.aws.neon.tech"),
    ("neon", "ep-cool-darkness-a1b2c3d4.eastus2.azure.neon.tech"),
    ("supabase", "db.abcdefghijklmnopqrst.supabase.co"),
    ("supabase", "aws-0-eu-west-1.pooler.supabase.com:6543"),
    ("supabase", "aws-1-ap-southeast-2.pooler.supabase.com:5432"),
    ("supabase", "fly-0-fra.pooler.supabase.com"),
    ("railway", "shuttle.proxy.rlwy.net:15140"),
    ("railway", "postgres.railway.internal"),
    ("railway", "containers-us-west-1.railway.app:7432"),
    ("digitalocean", "db-postgresql-nyc3-12345-do-user-1234567-0.b.db.ondigitalocean.com:25060"),
    ("digitalocean", "private-shop-do-user-1234567-0.c.db.ondigitalocean.com:25061"),
    ("render", "dpg-abcdefghij1234567890-a.oregon-postgres.render.com"),
    ("render", "dpg-abcdefghij1234567890-a.frankfurt-postgres.render.com"),
    ("render", "dpg-abcdefghij1234567890-a"),
    ("crunchy-bridge", "p.abcdefghijklmnopqrstuvwxyz.db.postgresbridge.com"),
    ("crunchy-bridge", "p.abcdefghijklmnopqrstuvwxyz.db.postgresbridge.com:5431"),
    ("cloud-sql", "0123456789ab.cdefghijklmn.europe-west3.sql.goog"),
    ("aurora", "shop.cluster-abcdefghijkl.eu-central-1.rds.amazonaws.com"),
    ("aurora", "shop.cluster-ro-abcdefghijkl.eu-central-1.rds.amazonaws.com"),
    ("aurora", "reports.cluster-custom-abcdefghijkl.eu-central-1.rds.amazonaws.com"),
    ("rds", "shop.abcdefghijkl.eu-central-1.rds.amazonaws.com"),
    ("rds", "shop.proxy-abcdefghijkl.eu-central-1.rds.amazonaws.com"),
]

NOBODYS = [
    "localhost", "127.0.0.1", "[::1]:6543", "10.1.2.3:6432", "db.example.com", "db", "evil-neon.tech", "neon.tech",
    "ep-a.neon.tech.evil.com", "evil-neon.tech.example.com", "ep-a.neontech.com", "notsupabase.co", "db.ref.supabase.com.example.org",
    "supabase.co", "proxy.rlwy.net.example.com", "notproxy.rlwy.net", "railway.internal", "myrailway.app",
    "db.ondigitalocean.com.example.com", "shop.ondigitalocean.app", "ondigitalocean.com", "dpg-a", "dpg", "dpg-abc-a.render.com",
    "dpg-abc-a.oregon-postgres.render.com.example.com", "evil-postgres.render.com", "p.id.db.notpostgresbridge.com", "mysql.goog",
    "rds.amazonaws.com", "shop.abc.eu-central-1.rds.amazonaws.com.example.com", "cluster-abc.rds.example.com", "shop.elb.amazonaws.com",
]  # fmt: skip


@pytest.mark.parametrize(("name", "place"), HOSTS)
def test_a_providers_hosts_are_recognised(name: str, place: str) -> None:
    url = parse(f"postgresql://u:p@{place}/d")
    assert providers.of(url).name == name
    assert providers.fits(providers.named(name), url)


@pytest.mark.parametrize(("name", "place"), HOSTS)
def test_in_capitals_and_with_a_last_dot_too(name: str, place: str) -> None:
    host, colon, port = place.partition(":")
    for written in (host.upper(), f"{host}.", f"{host.title()}."):
        assert providers.of(parse(f"postgresql://u:p@{written}{colon}{port}/d")).name == name


@pytest.mark.parametrize("place", NOBODYS)
def test_what_only_looks_like_one_is_nobodys(place: str) -> None:
    url = parse(f"postgresql://u:p@{place}/d")
    assert providers.of(url).name == "postgres"
    assert [provider.name for provider in providers.ALL if provider.recognises(url)] == []


@pytest.mark.parametrize(
    ("places", "name"),
    [
        ("a.cluster-x.eu-central-1.rds.amazonaws.com,b.cluster-y.eu-central-1.rds.amazonaws.com", "aurora"),
        ("a.cluster-x.eu-central-1.rds.amazonaws.com,b.y.eu-central-1.rds.amazonaws.com", "rds"),
        ("ep-a.us-east-2.aws.neon.tech,db.example.com", "postgres"),
        ("db.example.com,ep-a.us-east-2.aws.neon.tech", "postgres"),
    ],
)
def test_every_host_has_to_be_the_providers(places: str, name: str) -> None:
    assert providers.of(parse(f"postgresql://u:p@{places}/d")).name == name


@pytest.mark.parametrize("provider", providers.ALL, ids=lambda provider: provider.name)
def test_each_is_found_by_its_name(provider: providers.Provider) -> None:
    assert providers.named(provider.name) is provider


def test_no_two_have_one_name() -> None:
    assert len({provider.name for provider in providers.ALL}) == len(providers.ALL)


@pytest.mark.parametrize("name", ["", "Neon", "heroku", "postgresql", "cloud_sql"])
def test_another_name_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(UserError, match="there is no provider") as refused:
        providers.named(name)
    assert refused.value.next == "use one of " + ", ".join(provider.name for provider in providers.ALL)


@pytest.mark.parametrize(
    ("name", "place", "fits"),
    [
        ("neon", "db.example.com", True),  # a domain of one's own
        ("neon", "db.ref.supabase.co", False),
        ("neon", "127.0.0.1", False),
        ("cloud-sql", "127.0.0.1", True),  # its proxy
        ("cloud-sql", "203.0.113.7", True),
        ("cloud-sql", "ep-a.us-east-2.aws.neon.tech", False),
        ("rds", "a.cluster-x.eu-central-1.rds.amazonaws.com", True),  # a Multi-AZ cluster
        ("aurora", "a.x.eu-central-1.rds.amazonaws.com", True),  # an instance of a cluster
        ("aurora", "db.ref.supabase.co", False),
        ("postgres", "db.example.com", True),
        ("postgres", "localhost", True),
        ("postgres", "ep-a.us-east-2.aws.neon.tech", False),
        ("local", "127.0.0.1", True),
        ("docker", "[::1]", True),
        ("local", "db.example.com", False),
        ("docker", "db.example.com", False),
        ("local", "ep-a.us-east-2.aws.neon.tech", False),
    ],
)
def test_whether_a_name_and_a_host_go_together(name: str, place: str, fits: bool) -> None:
    assert providers.fits(providers.named(name), parse(f"postgresql://u:p@{place}/d")) is fits
