"""Database URLs: what is read from them, what is refused, and that no password shows."""

import json
import pickle
import re
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infraops_core.database_url import DatabaseUrl, Place, build, parse, redact
from infraops_core.errors import UserError
from infraops_core.tls import MODES, Tls

BOUNDED = settings(max_examples=100, deadline=None)

SECRET = "Sesam0effneDich"
"""Part of every password generated here, and of nothing else."""


# What is read


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("postgresql://u:p@h:6432/db?sslmode=require", DatabaseUrl("u", "p", "h", 6432, "db", (("sslmode", "require"),))),
        ("postgres://u:p@h/db", DatabaseUrl("u", "p", "h", 5432, "db")),
        ("postgresql://u:p@h:/db", DatabaseUrl("u", "p", "h", 5432, "db")),
        ("postgresql://u@h", DatabaseUrl("u", "", "h", 5432, "u")),
        ("postgresql://u:@h/", DatabaseUrl("u", "", "h", 5432, "u")),
        ("postgresql://u:p@h?sslmode=require", DatabaseUrl("u", "p", "h", 5432, "u", (("sslmode", "require"),))),
        ("  postgresql://u:p@h/db\n", DatabaseUrl("u", "p", "h", 5432, "db")),
        ("postgresql://us%40er:p%3Aq%2Fr%3Fs%23t@h/d%20b", DatabaseUrl("us@er", "p:q/r?s#t", "h", 5432, "d b")),
        ("postgresql://u:p%C3%A4ss@h/%C3%BCber", DatabaseUrl("u", "päss", "h", 5432, "über")),
        ("postgresql://u:a:b@h/db", DatabaseUrl("u", "a:b", "h", 5432, "db")),
        ("postgresql://u:a#b@h/db", DatabaseUrl("u", "a#b", "h", 5432, "db")),
        ("postgresql://u:a@b@h/db", DatabaseUrl("u", "a@b", "h", 5432, "db")),
        ("postgresql://u:p@[::1]:6432/db", DatabaseUrl("u", "p", "::1", 6432, "db")),
        ("postgresql://u:p@[2001:db8::17]/db", DatabaseUrl("u", "p", "2001:db8::17", 5432, "db")),
        ("postgresql://u:p@127.0.0.1:1/db", DatabaseUrl("u", "p", "127.0.0.1", 1, "db")),
        ("postgresql://u:p@my_service-1.internal.:65535/db", DatabaseUrl("u", "p", "my_service-1.internal.", 65535, "db")),
        ("postgresql://u:p@h/db?options=-c%20x%3D1+2", DatabaseUrl("u", "p", "h", 5432, "db", (("options", "-c x=1+2"),))),
        ("postgresql://u:p@h/db?application_name=", DatabaseUrl("u", "p", "h", 5432, "db", (("application_name", ""),))),
        ("postgresql://u:p@h/db?hostaddr=10.0.0.1", DatabaseUrl("u", "p", "h", 5432, "db", (("hostaddr", "10.0.0.1"),))),
        ("postgresql://u:p@h/a/b", DatabaseUrl("u", "p", "h", 5432, "a/b")),
        ("postgresql://u:p@h1,h2/db", DatabaseUrl("u", "p", "h1", 5432, "db", others=(Place("h2", 5432),))),
        (
            "postgresql://u:p@h1:1,[::1]:2,10.0.0.1:/db?target_session_attrs=read-write",
            DatabaseUrl("u", "p", "h1", 1, "db", (("target_session_attrs", "read-write"),), (), (Place("::1", 2), Place("10.0.0.1", 5432))),
        ),
        (
            "postgresql://u:p@h1,h2/db?hostaddr=10.0.0.1,",
            DatabaseUrl("u", "p", "h1", 5432, "db", (("hostaddr", "10.0.0.1,"),), (), (Place("h2", 5432),)),
        ),
        ("postgresql://u:p@h/db?ssl=true", DatabaseUrl("u", "p", "h", 5432, "db", (("sslmode", "require"),))),
        (
            "postgresql://u:p@h:6543/db?pgbouncer=true&connection_limit=1&sslmode=require&schema=public",
            DatabaseUrl(
                "u",
                "p",
                "h",
                6543,
                "db",
                (("sslmode", "require"),),
                (("pgbouncer", "true"), ("connection_limit", "1"), ("schema", "public")),
            ),
        ),
    ],
)
def test_the_parts_of_a_url(text: str, url: DatabaseUrl) -> None:
    assert parse(text) == url


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "begins with postgres:// or postgresql://"),
        ("postgresql:", "begins with postgres:// or postgresql://"),
        ("mysql://u:p@h/db", "begins with postgres:// or postgresql://"),
        ("POSTGRESQL://u:p@h/db", "begins with postgres:// or postgresql://"),
        ("postgresql+psycopg://u:p@h/db", "begins with postgres:// or postgresql://"),
        ("DATABASE_URL=postgresql://u:p@h/db", "begins with postgres:// or postgresql://"),
        ("DATABASE_URL='postgres://u:p@h/db'", "begins with postgres:// or postgresql://"),
        ("jdbc:postgresql://h/db?user=u&password=p", "begins with postgres:// or postgresql://"),
        ("postgresql://", "names no user"),
        ("postgresql://h/db", "names no user"),
        ("postgresql://@h/db", "names no user"),
        ("postgresql://:p@h/db", "names no user"),
        ("postgresql://u:p@/db", "names no host"),
        ("postgresql://u:p@:5432/db", "names no host"),
        ("postgresql://u:p@%2Fvar%2Frun/db", "a folder with a socket will not do"),
        ("postgresql://u:p@h%40evil.example/db", "the host is a name of letters"),
        ("postgresql://u:p@h%2Cother/db", "the host is a name of letters"),
        ("postgresql://u:p@h%3A1/db", "the host is a name of letters"),
        ("postgresql://u:p@a..b/db", "the host is a name of letters"),
        ("postgresql://u:p@.b/db", "the host is a name of letters"),
        (f"postgresql://u:p@{'a' * 64}.example/db", "the host is a name of letters"),
        (f"postgresql://u:p@{'a.' * 127}a/db", "the host is a name of letters"),
        ("postgresql://u:p@bücher.example/db", "the host is a name of letters"),
        ("postgresql://u:p@h1,,h2/db", "names no host"),
        ("postgresql://u:p@h1,/db", "names no host"),
        ("postgresql://u:p@h1:1,h2:x/db", "a number from 1 to 65535"),
        ("postgresql://u:p@h1,[::1/db", "stands in brackets"),
        ("postgresql://u:p@h1,%2Fvar%2Frun/db", "a folder with a socket will not do"),
        ("postgresql://u:p@[::1/db", "stands in brackets"),
        ("postgresql://u:p@[::1]6432/db", "stands in brackets"),
        ("postgresql://u:p@::1/db", "stands in brackets"),
        ("postgresql://u:p@2001:db8::17/db", "stands in brackets"),
        ("postgresql://u:p@h:1:2/db", "stands in brackets"),
        ("postgresql://u:p@xfe80::1]/db", "stands in brackets"),
        ("postgresql://u:p@[h]/db", "not an IPv6 address"),
        ("postgresql://u:p@[1.2.3.4]/db", "not an IPv6 address"),
        ("postgresql://u:p@[fe80::1%25eth0]/db", "not an IPv6 address without a zone"),
        ("postgresql://u:p@h:0/db", "a number from 1 to 65535"),
        ("postgresql://u:p@h:65536/db", "a number from 1 to 65535"),
        ("postgresql://u:p@h:-1/db", "a number from 1 to 65535"),
        ("postgresql://u:p@h:٥٤٣٢/db", "a number from 1 to 65535"),
        ("postgresql://u:p@h:000054320000/db", "a number from 1 to 65535"),
        (f"postgresql://u:p@h:1{'0' * 5000}/db", "a number from 1 to 65535"),
        ("postgresql://u:p q@h/db", "percent-encode it"),
        ("postgresql://u:p\nq@h/db", "percent-encode it"),
        ("postgresql://u:p\x00q@h/db", "percent-encode it"),
        ("postgresql://u:p\udcffq@h/db", "percent-encode it"),
        ("postgresql://u:100%@h/db", "write %25"),
        ("postgresql://u:p%zz@h/db", "write %25"),
        ("postgresql://u:p%FF@h/db", "password is not UTF-8"),
        ("postgresql://u%FF:p@h/db", "user is not UTF-8"),
        ("postgresql://u:p@h/d%FFb", "database is not UTF-8"),
        ("postgresql://u:p%00@h/db", "password holds a NUL"),
        ("postgresql://u:p@h/db%00", "database holds a NUL"),
        ("postgresql://u:p@h/db?a=%00", "holds a NUL"),
        ("postgresql://u:p/q@h/db", "in a password write them as %40, %2F and %3F"),
        ("postgresql://u:p?q@h/db", "in a password write them as %40, %2F and %3F"),
        ("postgresql://u:p@q/r@h/db", "in a password write them as %40, %2F and %3F"),
        ("postgresql://u:p@h/db?application_name=a@b", "an @ after a / or ?"),
        ("postgresql://u:p@h/db?sslmode", "not KEY=VALUE pairs"),
        ("postgresql://u:p@h/db?a=1&&b=2", "not KEY=VALUE pairs"),
        ("postgresql://u:p@h/db?a=%FF", "not KEY=VALUE pairs"),
        ("postgresql://u:p@h/db?sslmode=require&sslmode=disable", "gives sslmode twice"),
        ("postgresql://u:p@h/db?sslmode=require&ssl%6Dode=disable", "gives sslmode twice"),
        ("postgresql://u:p@h/db?host=elsewhere", "host after the ?"),
        ("postgresql://u:p@h/db?port=1&user=root", "port, user after the ?"),
        ("postgresql://u:p@h/db?dbname=other", "dbname after the ?"),
        ("postgresql://u@h/db?password=p", "password after the ?"),
        ("postgresql://u@h/db?p%61ssword=p", "password after the ?"),
        ("postgresql://u:p@h/db?hostaddr=elsewhere.example", "hostaddr is one IP address"),
        ("postgresql://u:p@h/db?hostaddr=127.0.0.1,10.0.0.1", "hostaddr is one IP address"),
        ("postgresql://u:p@h/db?hostaddr=", "hostaddr is one IP address"),
        ("postgresql://u:p@h1,h2/db?hostaddr=10.0.0.1", "hostaddr is one IP address for each host, and there are 1 for 2"),
        ("postgresql://u:p@h1,h2/db?hostaddr=10.0.0.1,x", "hostaddr is one IP address"),
    ],
)
def test_refused_and_why(text: str, problem: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(text)
    assert problem in refused.value.what
    assert refused.value.where == "database URL"
    assert refused.value.next


# What is written

hosts = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]{1,10}){0,3}", fullmatch=True) | st.ip_addresses().map(str)
words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)
texts = st.dictionaries(st.sampled_from(["application_name", "options", "sslrootcert", "sslkey"]), words.filter("system".__ne__))
known_parameters = st.builds(dict[str, str].__or__, st.fixed_dictionaries({}, optional={"sslmode": st.sampled_from(MODES)}), texts).map(
    dict.items
)
ports = st.integers(1, 65535)
others = st.lists(st.builds(Place, hosts, ports), max_size=3).map(tuple)
urls = st.builds(DatabaseUrl, words, words, hosts, ports, words, known_parameters.map(tuple), others=others)


@BOUNDED
@given(urls)
@example(DatabaseUrl("u", "", "h", 5432, "db"))
@example(DatabaseUrl("u/r", "%:@/?#&=+ ", "::1", 1, "a?b#c/d", (("options", "-c a=b+c&d=ä"),)))
def test_a_url_written_and_parsed_is_the_same(url: DatabaseUrl) -> None:
    assert parse(url.with_password()) == url


@BOUNDED
@given(urls)
def test_libpq_reads_the_same_parts(url: DatabaseUrl) -> None:
    read = {key: str(value) for key, value in conninfo_to_dict(url.with_password()).items()}
    where = {"host": ",".join(place.host for place in url.places), "port": ",".join(str(place.port) for place in url.places)}
    parts = where | {"user": url.user, "password": url.password, "dbname": url.database}
    assert read == parts | dict(url.parameters)


@BOUNDED
@given(st.text() | st.text().map("postgresql://".__add__) | st.from_regex(r"postgres(ql)?://[^@]*@[^@/?]*(/[^?]*)?(\?.*)?", fullmatch=True))
@example("postgresql://u:p@h\ud800/db")
@example("postgresql://[@]")
def test_any_text_is_a_url_or_a_users_mistake(text: str) -> None:
    try:
        url = parse(text)
    except UserError:
        return
    assert parse(url.with_password()) == url
    assert str(url)
    assert repr(url)


def test_built_for_one_role() -> None:
    url = build("app", "p@ss", host="::1", port=6432, database="infraops", sslmode=Tls.VERIFY_FULL)
    assert url.with_password() == "postgresql://app:p%40ss@[::1]:6432/infraops?sslmode=verify-full"


# What must not show

passwords = st.builds("{}{}{}".format, words, st.just(SECRET), words)
one_line = passwords.filter(lambda password: not set("\n") & set(password))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hunter2@h:1/db?sslmode=require", "postgresql://u:***@h:1/db?sslmode=require"),
        ("postgresql://u@h:1/db", "postgresql://u@h:1/db"),
        ("postgresql://u:p@[::1]:1/db", "postgresql://u:***@[::1]:1/db"),
        ("postgresql://u:p@h:1/db?sslkey=/k&sslpassword=hunter2", "postgresql://u:***@h:1/db?sslkey=/k&sslpassword=***"),
        ("postgresql://u:p@h:1/db?oauth_client_secret=hunter2", "postgresql://u:***@h:1/db?oauth_client_secret=***"),
        ("postgresql://u:p@h:1/db?scram_client_key=hunter2", "postgresql://u:***@h:1/db?scram_client_key=***"),
        ("postgresql://u:p@h:1,[::1]:2/db", "postgresql://u:***@h:1,[::1]:2/db"),
        ("postgresql://u@h:1/db?passfile=/p", "postgresql://u@h:1/db?passfile=/p"),
        (
            "postgresql://u@h:1/db?options=-c%20app.password%3Dhun\\%20ter2%20-c%20jit%3Doff",
            "postgresql://u@h:1/db?options=-c%20app.password%3D***%20-c%20jit%3Doff",
        ),
        ("postgresql://u@h:1/db?options=--app.api_token%3Dhunter2", "postgresql://u@h:1/db?options=--app.api_token%3D***"),
    ],
)
def test_shown_without_secrets(url: str, shown: str) -> None:
    assert str(parse(url)) == shown
    assert repr(parse(url)) == f"DatabaseUrl({shown!r})"
    assert f"{parse(url)}" == shown


@BOUNDED
@given(words, passwords, hosts, words)
def test_the_password_shows_in_no_form_of_a_url(user: str, password: str, host: str, database: str) -> None:
    url = build(user, password, host=host, port=5432, database=database, sslmode=Tls.REQUIRE)
    parsed = parse(url.with_password())
    assert SECRET not in f"{url} {url!r} {parsed!s} {parsed!r} {[url]} {(url,)!s}"
    with pytest.raises(UserError) as refused:
        url.check_tls(Tls.VERIFY_FULL)
    assert SECRET not in f"{refused.value} {refused.value!r} {refused.value.args}"
    assert pickle.loads(pickle.dumps(url)) == url  # noqa: S301


@BOUNDED
@given(words, passwords, hosts, st.sampled_from(["", "/db", "/db?sslmode=require", ":99999/db", "/db?a", "/db%FF", "?sslmode=x&sslmode=y"]))
@example("u", f"p@ss/{SECRET}@x", "h", "/db")
@example("u", f"p?{SECRET}=1&{SECRET}=1", "h", "/db")
@example("u", f"p@h?{SECRET}=1&{SECRET}=1", "h", "/db")
@example("u", f"100%{SECRET}", "h", "/db")
def test_a_password_written_as_it_is_shows_in_no_message(user: str, password: str, host: str, rest: str) -> None:
    text = f"postgresql://{user}:{password}@{host}{rest}"
    try:
        shown = repr(parse(text)) + str(parse(text))
    except UserError as error:
        shown = f"{error} {error!r} {error.__cause__!r}"
    assert SECRET not in shown


@BOUNDED
@given(words.filter(lambda user: not set(":\n") & set(user)), one_line, st.text(max_size=30), st.text(max_size=30))
@example("us/er", SECRET, "", "")
@example("us er", f"a@b/c?d#e {SECRET}", "could not connect to ", "\nand so on")
@example("", SECRET, "", "")
def test_redacted_whatever_stands_around_it(user: str, password: str, before: str, after: str) -> None:
    assert SECRET not in redact(f"{before}postgresql://{user}:{password}@h/db{after}")
    assert SECRET not in redact(f"{before} postgresql://{user}:{quote(password, safe='')}@h/db{after}")


@BOUNDED
@given(passwords, st.text(max_size=20))
@example(f'a"b\\{SECRET}', "")
@example(f"a\\ b {SECRET}", "")
def test_redacted_in_other_writings(password: str, around: str) -> None:
    spelt = quote(password, safe="")
    writings = [
        json.dumps({"around": around, "password": password}),
        json.dumps({"DATABASE_URL": f"postgresql://u:{spelt}@h/db"}, indent=2),
        make_conninfo(host="h", password=password, user="u"),
        make_conninfo(host="h", sslpassword=password),
        f"postgresql://u@h/db?sslpassword={spelt}&sslmode=require",
        f"PGPASSWORD={spelt} psql",
    ]
    assert not [writing for writing in writings if SECRET in redact(writing)]


@BOUNDED
@given(passwords, st.sampled_from(["sslpassword", "oauth_client_secret", "scram_client_key"]))
def test_a_secret_parameter_shows_in_no_form(password: str, key: str) -> None:
    option = re.sub(r"([\\\s])", r"\\\1", password)
    url = DatabaseUrl("u", "p", "h", 5432, "db", ((key, password), ("options", f"-c app.password={option} -c jit=off")))
    parsed = parse(url.with_password())
    assert parsed == url
    assert SECRET not in f"{parsed} {parsed!r}"
    assert "jit%3Doff" in str(parsed)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("", ""),
        ("nothing to hide", "nothing to hide"),
        ("postgresql://u:hunter2@h/db", "postgresql://u:***@h/db"),
        ("see postgresql://u:hunter2@h/db.", "see postgresql://u:***@h/db."),
        ("postgresql://u:hun@ter2@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:hunter2\n@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u@h:5432/db", "postgresql://u@h:5432/db"),
        ("postgresql://u:***@h:5432/db", "postgresql://u:***@h:5432/db"),
        ("one postgresql://u:a@h\ntwo postgresql://v:b@h", "one postgresql://u:***@h\ntwo postgresql://v:***@h"),
        ("GET https://api.example:443/v1\nmail me@example.org", "GET https://api.example:443/v1\nmail me@example.org"),
        ("redis://:hunter2@h:6379", "redis://:***@h:6379"),
        ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
        ("host=h password = 'hun ter\\'2' user=u", "host=h password = *** user=u"),
        ("host=h password=hun\\ ter\\'2 user=u", "host=h password=*** user=u"),
        ("[db]\nhost=h\npassword=hunter2\nuser=u", "[db]\nhost=h\npassword=***\nuser=u"),
        ('{"url": "postgresql://u:hun\\"ter2@h/db"}', '{"url": "postgresql://u:***@h/db"}'),
        ("?password=hunter2&sslmode=require", "?password=***&sslmode=require"),
        ("?sslpassword=hunter2", "?sslpassword=***"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
        ("--password=hunter2", "--password=***"),
        ("PULUMI_CONFIG_PASSPHRASE=hunter2", "PULUMI_CONFIG_PASSPHRASE=***"),
        ('{"password": "hun\\"ter2", "a": 1}', '{"password": ***, "a": 1}'),
        ("{'password': 'hunter2', 'a': 1}", "{'password': ***, 'a': 1}"),
        ("Password: hunter2", "Password: ***"),
        ("create role app password 'hun''ter2' login", "create role app password *** login"),
        ('password authentication failed for user "app"', 'password authentication failed for user "app"'),
        ("incorrect passphrase: please set it", "incorrect passphrase: please set it"),
    ],
)
def test_redacted_and_nothing_else(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@BOUNDED
@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


# The TLS rule


@pytest.mark.parametrize(
    ("host", "parameters", "loopback"),
    [
        ("localhost", (), True),
        ("127.0.0.1", (), True),
        ("127.1.2.3", (), True),
        ("::1", (), True),
        ("0.0.0.0", (), False),  # noqa: S104
        ("10.0.0.1", (), False),
        ("::", (), False),
        ("2001:db8::1", (), False),
        ("localhost.example", (), False),
        ("127.0.0.1.example", (), False),
        ("2130706433", (), False),
        ("localhost", (("hostaddr", "127.0.0.1"),), True),
        ("localhost", (("hostaddr", "10.0.0.1"),), False),
        ("db.example", (("hostaddr", "127.0.0.1"),), False),
    ],
)
def test_loopback_is_this_machine_only(host: str, parameters: tuple[tuple[str, str], ...], loopback: bool) -> None:
    assert DatabaseUrl("u", "p", host, 5432, "db", parameters).is_loopback is loopback


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("postgresql://u:p@127.0.0.1/db", Tls.DISABLE),
        ("postgresql://u:p@localhost/db?sslmode=disable", Tls.DISABLE),
        ("postgresql://u:p@[::1]/db?sslmode=verify-full", Tls.DISABLE),
        ("postgresql://u:p@h/db?sslmode=require", Tls.REQUIRE),
        ("postgresql://u:p@h/db?sslmode=verify-ca", Tls.REQUIRE),
        ("postgresql://u:p@h/db?sslmode=verify-full", Tls.VERIFY_FULL),
        ("postgresql://u:p@h/db?sslmode=verify-full&hostaddr=127.0.0.1", Tls.VERIFY_FULL),
        ("postgresql://u:p@h/db?sslrootcert=system", Tls.VERIFY_FULL),
        ("postgresql://u:p@localhost,[::1],127.0.0.1/db?hostaddr=127.0.0.1,,", Tls.DISABLE),
    ],
)
def test_strong_enough(url: str, rule: Tls) -> None:
    parse(url).check_tls(rule)


@pytest.mark.parametrize(
    ("url", "rule", "problem"),
    [
        ("postgresql://u:p@h/db", Tls.REQUIRE, "sslmode=require or stronger"),
        ("postgresql://u:p@h/db?sslmode=disable", Tls.REQUIRE, "sslmode=disable"),
        ("postgresql://u:p@h/db?sslmode=prefer", Tls.REQUIRE, "sslmode=prefer"),
        ("postgresql://u:p@localhost/db?sslmode=disable", Tls.REQUIRE, "sslmode=disable"),
        ("postgresql://u:p@h/db?sslmode=require", Tls.VERIFY_FULL, "sslmode=verify-full or stronger"),
        ("postgresql://u:p@h/db?sslmode=verify-ca", Tls.VERIFY_FULL, "sslmode=verify-ca"),
        ("postgresql://u:p@h/db", Tls.REQUIRE, "without sslmode the URL means prefer, which goes on without TLS"),
        ("postgresql://u:p@h/db?sslmode=allow", Tls.REQUIRE, "sslmode=allow, which has TLS only where the server insists on it"),
        ("postgresql://u:p@h/db?sslmode=disable", Tls.REQUIRE, "sslmode=disable, which is without TLS"),
        ("postgresql://u:p@h/db?ssl=true", Tls.VERIFY_FULL, "sslmode=require"),
        ("postgresql://u:p@localhost,h/db", Tls.DISABLE, "and h is another machine"),
        ("postgresql://u:p@localhost,127.0.0.1/db?hostaddr=,10.0.0.1", Tls.DISABLE, "and 10.0.0.1 is another machine"),
        ("postgresql://u:p@h/db?sslmode=disable", Tls.DISABLE, "loopback only"),
        ("postgresql://u:p@h/db?sslmode=verify-full", Tls.DISABLE, "loopback only"),
        ("postgresql://u:p@h/db?hostaddr=127.0.0.1", Tls.DISABLE, "loopback only"),
        ("postgresql://u:p@localhost/db?hostaddr=10.0.0.1", Tls.DISABLE, "loopback only"),
    ],
)
def test_too_weak_and_why(url: str, rule: Tls, problem: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(url).check_tls(rule)
    assert problem in refused.value.what
    assert parse(url).host in refused.value.where


@BOUNDED
@given(urls)
def test_tls_off_never_leaves_this_machine(url: DatabaseUrl) -> None:
    assume(not url.is_loopback)
    with pytest.raises(UserError):
        url.check_tls(Tls.DISABLE)
