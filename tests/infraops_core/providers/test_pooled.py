"""Which URLs are a pooler's, which URL stands behind it, and which in front."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infraops_core import providers
from infraops_core.database_url import DatabaseUrl, parse
from infraops_core.providers import pooled

BY_WORD = "a pooler (it says pgbouncer=true)"
DIGITALOCEAN = "shop-do-user-1-0.b.db.ondigitalocean.com"
BRIDGE = "p.abc.db.postgresbridge.com"
CLOUD_SQL = "abc.def.europe-west3.sql.goog"


@pytest.mark.parametrize(
    ("place", "whose", "direct"),
    [
        ("ep-a-b-1-pooler.us-east-2.aws.neon.tech/d", "Neon's pooler", "ep-a-b-1.us-east-2.aws.neon.tech:5432/d"),
        ("EP-A-1-Pooler.c-2.us-east-2.aws.neon.tech/d", "Neon's pooler", "EP-A-1.c-2.us-east-2.aws.neon.tech:5432/d"),
        ("ep-a-b-1-pooler.us-east-2.aws.neon.tech./d", "Neon's pooler", "ep-a-b-1.us-east-2.aws.neon.tech.:5432/d"),
        ("ep-a-b-1.us-east-2.aws.neon.tech/d", "", "ep-a-b-1.us-east-2.aws.neon.tech:5432/d"),
        ("ep-a-b-1.us-east-2.aws.neon.tech:6543/d", "", "ep-a-b-1.us-east-2.aws.neon.tech:6543/d"),
        ("ep-a.x-pooler.aws.neon.tech/d", "", "ep-a.x-pooler.aws.neon.tech:5432/d"),
        ("a-pooler.example.com/d", "", "a-pooler.example.com:5432/d"),
        ("neon.tech.example.com/d", "", "neon.tech.example.com:5432/d"),
        ("aws-0-eu-west-1.pooler.supabase.com:6543/d", "Supabase's pooler", "aws-0-eu-west-1.pooler.supabase.com:5432/d"),
        ("db.ref.supabase.co:6543/d", "Supabase's pooler", "db.ref.supabase.co:5432/d"),
        ("aws-0-eu-west-1.pooler.supabase.com:5432/d", "", "aws-0-eu-west-1.pooler.supabase.com:5432/d"),
        ("db.ref.supabase.co/d", "", "db.ref.supabase.co:5432/d"),
        (f"{DIGITALOCEAN}:25061/pool", "DigitalOcean's pooler", f"{DIGITALOCEAN}:25060/pool"),
        (f"{DIGITALOCEAN}:25060/d", "", f"{DIGITALOCEAN}:25060/d"),
        (f"{BRIDGE}:5431/d", "Crunchy Bridge's pooler", f"{BRIDGE}:5432/d"),
        (f"{BRIDGE}/d", "", f"{BRIDGE}:5432/d"),
        (f"{CLOUD_SQL}:6432/d", "Google Cloud SQL's pooler", f"{CLOUD_SQL}:5432/d"),
        (f"{CLOUD_SQL}/d", "", f"{CLOUD_SQL}:5432/d"),
        ("a.proxy-x.eu-west-1.rds.amazonaws.com/d", "Amazon RDS's pooler", "a.proxy-x.eu-west-1.rds.amazonaws.com:5432/d"),
        ("a.cluster-x.eu-west-1.rds.amazonaws.com/d", "", "a.cluster-x.eu-west-1.rds.amazonaws.com:5432/d"),
        ("proxy-a.x.eu-west-1.rds.amazonaws.com/d", "", "proxy-a.x.eu-west-1.rds.amazonaws.com:5432/d"),
        ("x.proxy.rlwy.net:15140/d", "", "x.proxy.rlwy.net:15140/d"),
        ("x.proxy.rlwy.net:15140/d?pgbouncer=true", BY_WORD, "x.proxy.rlwy.net:15140/d"),
        ("dpg-abc-a.oregon-postgres.render.com/d", "", "dpg-abc-a.oregon-postgres.render.com:5432/d"),
        ("example.com:6543/d", "", "example.com:6543/d"),
        ("example.com:5431/d", "", "example.com:5431/d"),
        ("example.com/d?pgbouncer=true&sslmode=require", BY_WORD, "example.com:5432/d?sslmode=require"),
        ("example.com/d?pgbouncer=false", "", "example.com:5432/d"),
        ("db.ref.supabase.co:6543/d?pgbouncer=true", "Supabase's pooler", "db.ref.supabase.co:5432/d"),
        ("ep-a-pooler.x.neon.tech,ep-b-pooler.x.neon.tech/d", "Neon's pooler", "ep-a.x.neon.tech,ep-b.x.neon.tech/d"),
        ("ep-a.x.neon.tech,ep-b-pooler.x.neon.tech/d", "Neon's pooler", "ep-a.x.neon.tech,ep-b.x.neon.tech/d"),
    ],
)
def test_whose_pooler_and_what_is_behind_it(place: str, whose: str, direct: str) -> None:
    url = parse(f"postgresql://u:p@{place}")
    assert pooled.pooler(url) == whose
    assert providers.of(url).is_pooled(url) is bool(whose)
    assert pooled.direct(url) == parse(f"postgresql://u:p@{direct}")
    if "proxy-x" not in place:  # the only one that nobody can see behind
        assert pooled.pooler(pooled.direct(url)) == ""


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("ep-a-pooler.us-east-2.aws.neon.tech/d", "postgresql://u:***@ep-a.us-east-2.aws.neon.tech:5432/d"),
        ("db.ref.supabase.co:6543/d?pgbouncer=true", "postgresql://u:***@db.ref.supabase.co:5432/d"),
        ("db.ref.supabase.co:5432/d?pgbouncer=true", "postgresql://u:***@db.ref.supabase.co:5432/d"),
        (f"{DIGITALOCEAN}:25061/shop-pool",
         f"postgresql://u:***@{DIGITALOCEAN}:25060/shop-pool, with the database's own name in place of the pool's, shop-pool"),
        ("a.proxy-x.eu-west-1.rds.amazonaws.com/d", "the database's own host and port"),
        ("x.proxy.rlwy.net:15140/d?pgbouncer=true", "the database's own host and port"),
        ("127.0.0.1:6432/d?pgbouncer=true", "the database's own host and port"),
    ],
)  # fmt: skip
def test_what_to_use_instead(place: str, advice: str) -> None:
    assert pooled.advice(parse(f"postgresql://u:secret@{place}")) == advice


@pytest.mark.parametrize(
    ("place", "front"),
    [
        ("ep-a.us-east-2.aws.neon.tech/d", "ep-a-pooler.us-east-2.aws.neon.tech/d"),
        ("pg.neon.tech/d", None),  # no endpoint
        ("aws-0-eu-west-1.pooler.supabase.com/d", "aws-0-eu-west-1.pooler.supabase.com:6543/d"),
        ("db.ref.supabase.co/d", "db.ref.supabase.co:6543/d"),
        ("db.ref.supabase.co:7000/d", None),
        (f"{BRIDGE}/d", f"{BRIDGE}:5431/d"),
        (f"{CLOUD_SQL}/d", f"{CLOUD_SQL}:6432/d"),
        (f"{DIGITALOCEAN}:25060/d", None),  # the pool's name is anybody's guess
        ("dpg-abc-a.oregon-postgres.render.com/d", None),
        ("x.proxy.rlwy.net:15140/d", None),
        ("a.x.eu-west-1.rds.amazonaws.com/d", None),
        ("a.cluster-x.eu-west-1.rds.amazonaws.com/d", None),
        ("example.com/d", None),
        ("example.com/d?pgbouncer=true", "example.com/d?pgbouncer=true"),
        ("ep-a-pooler.x.neon.tech/d", "ep-a-pooler.x.neon.tech/d"),
        ("ep-a.x.neon.tech,ep-b.x.neon.tech/d", "ep-a-pooler.x.neon.tech,ep-b-pooler.x.neon.tech/d"),
    ],
)
def test_where_the_pooler_is(place: str, front: str | None) -> None:
    url = parse(f"postgresql://u:p@{place}")
    assert providers.of(url).pooled(url) == (parse(f"postgresql://u:p@{front}") if front else None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ep-a-pooler.x.neon.tech/d?sslmode=require&hostaddr=10.0.0.1", "ep-a.x.neon.tech/d?sslmode=require"),
        (f"{BRIDGE}:5431/d?hostaddr=10.0.0.1&sslmode=require", f"{BRIDGE}:5432/d?hostaddr=10.0.0.1&sslmode=require"),
    ],
)
def test_an_address_stays_with_its_host(before: str, after: str) -> None:
    url = parse(f"postgresql://u:p@{before}")
    assert providers.of(url).direct(url) == parse(f"postgresql://u:p@{after}")


LABEL = st.from_regex(r"[a-z]([a-z0-9]{0,10}(-[a-z0-9]{1,4})?)", fullmatch=True)
DIRECT = st.one_of(
    st.builds("ep-{}-1.{}.aws.neon.tech:{}".format, LABEL, LABEL, st.integers(1, 65535)),
    st.builds("db.{}.supabase.co:5432".format, LABEL),
    st.builds("aws-{}-{}.pooler.supabase.com:5432".format, st.integers(0, 9), LABEL),
    st.builds("p.{}.db.postgresbridge.com:5432".format, LABEL),
    st.builds("{}.{}.europe-west3.sql.goog:5432".format, LABEL, LABEL),
)
PARAMETERS = st.sampled_from(["", "?sslmode=require", "?sslmode=verify-full&sslrootcert=system&channel_binding=require", "?schema=x"])


@given(DIRECT, LABEL, LABEL, PARAMETERS)
def test_behind_the_pooler_in_front_is_where_one_began(place: str, user: str, database: str, parameters: str) -> None:
    url = parse(f"postgresql://{user}:p@{place}/{database}{parameters}")
    provider = providers.of(url)
    front = provider.pooled(url)
    assert isinstance(front, DatabaseUrl)
    assert provider.is_pooled(front)
    assert provider.recognises(front)
    assert provider.direct(front) == url
    assert provider.pooled(provider.direct(front)) == front
    assert provider.direct(url) == url
    assert provider.missing(front) == provider.missing(url) == ""
