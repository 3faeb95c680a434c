"""What each of libpq's keywords allows in a URL, and which key was meant."""

import re

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from infraops_core import checkout
from infraops_core.database_url import parse
from infraops_core.database_url.keywords import FOREIGN, KEYWORDS
from infraops_core.errors import UserError

SECRET = "Sesam0effneDich"


def test_every_keyword_that_libpq_has_and_no_other() -> None:
    libpq = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    newer = {"servicefile"} if psycopg.pq.version() >= 190000 else set()
    who_where_what = {"user", "password", "host", "port", "dbname", "service"}
    assert set(KEYWORDS) >= libpq - who_where_what - newer
    if psycopg.pq.version() >= 180000:
        assert set(KEYWORDS) == libpq - who_where_what - newer


@pytest.mark.parametrize(
    "parameter",
    [
        *(f"sslmode={mode}" for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")),
        "channel_binding=require", "channel_binding=disable", "connect_timeout=10", "connect_timeout=0", "keepalives=0",
        "tcp_user_timeout=5",
        "sslrootcert=system", "sslrootcert=/no/such/file", "sslmode=require&sslnegotiation=direct", "ssl_min_protocol_version=TLSv1.3",
        "target_session_attrs=prefer-standby", "load_balance_hosts=random", "require_auth=scram-sha-256,none", "require_auth=!md5,!gss",
        "options=-c%20statement_timeout%3D5s", "options=endpoint%3Dep-cool-darkness-123456", "sslcertmode=disable", "gssencmode=disable",
        "replication=database", "application_name=",
    ],
)  # fmt: skip
def test_allowed(parameter: str) -> None:
    conninfo_to_dict(f"postgresql://u:p@h/db?{parameter}")
    assert parse(f"postgresql://u:p@h/db?{parameter}").parameters


@pytest.mark.parametrize(
    ("parameter", "problem"),
    [
        ("sslmode=bogus", "sslmode=bogus is not allowed: sslmode is one of: disable, allow, prefer, require, verify-ca, verify-full"),
        ("sslmode=REQUIRE", "sslmode=REQUIRE is not allowed"),
        ("sslmode=", "the value of sslmode is not allowed"),
        (f"sslmode={SECRET}", "the value of sslmode is not allowed"),
        ("ssl=require", "ssl is no keyword of libpq's (only ssl=true is read); write sslmode=require"),
        ("ssl=true&sslmode=disable", "gives sslmode twice"),
        ("channel_binding=true", "channel_binding is one of: disable, prefer, require"),
        ("connect_timeout=5s", "connect_timeout is a whole number"),
        ("keepalives=on", "keepalives is a whole number"),
        ("sslsni=yes", "sslsni is one of: 0, 1"),
        ("ssl_min_protocol_version=1.2", "ssl_min_protocol_version is one of: TLSv1"),
        ("target_session_attrs=writable", "target_session_attrs is one of: any, read-write"),
        ("load_balance_hosts=true", "load_balance_hosts is one of: disable, random"),
        ("require_auth=scram", "require_auth is some of"),
        ("require_auth=md5,!none", "require_auth is some of"),
        ("sslrootcert=system&sslmode=require", "goes with sslmode=verify-full only, and the URL says sslmode=require"),
        ("sslnegotiation=direct", "goes with sslmode=require or stronger only"),
        ("channel_binding=require&sslmode=disable", "sslmode=disable is without TLS"),
        ("sslmod=require", "sslmod is no key of libpq's, nor of a library known here; did you mean sslmode?"),
        ("SSLMODE=require", "did you mean sslmode?"),
        ("sslrootca=/x", "did you mean sslrootcert?"),
        ("pgbouncr=true", "did you mean pgbouncer?"),
        ("preparethreshold=0", "did you mean prepareThreshold?"),
        ("colour=red", "colour is no key of libpq's, nor of a library known here"),
        (f"{'x' * 50}=1", f"'{'x' * 30}…' is no key"),
        ("=x", "'' is no key"),
    ],
)
def test_refused_and_why(parameter: str, problem: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(f"postgresql://u:p@h/db?{parameter}")
    assert problem in refused.value.what
    assert SECRET not in str(refused.value)


def test_another_librarys_keys_are_kept_apart_and_documented() -> None:
    documented = (checkout.ROOT / "docs" / "database-url.md").read_text().partition("## Other libraries' keys")[2].partition("## TLS")[0]
    rows = [line.split("|")[1] for line in documented.splitlines() if line.startswith("| `")]
    assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} == set(FOREIGN)
    for key in FOREIGN:
        url = parse(f"postgresql://u:p@h/db?{key}=1&sslmode=require")
        assert (url.foreign, url.parameters) == (((key, "1"),), (("sslmode", "require"),))
        assert f"{key}=1" in str(url)
        assert key not in url.for_libpq()
