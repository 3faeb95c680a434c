"""libpq's keyword form of a database URL: read as libpq reads it, and its mistakes show no password."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infraops_core.database_url import DatabaseUrl, Place, parse
from infraops_core.errors import UserError

BOUNDED = settings(max_examples=100, deadline=None)
SECRET = "Sesam0effneDich"
URL = DatabaseUrl("u", "p", "h", 6432, "db", (("sslmode", "require"),))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("host=h port=6432 dbname=db user=u password=p sslmode=require", URL),
        ("  sslmode = require\n\tuser=u password = p host =h port= 6432 dbname=db ", URL),
        ("host='h' port='6432' dbname='db' user='u' password='p' sslmode='require'", URL),
        ("host=h user=u", DatabaseUrl("u", "", "h", 5432, "u")),
        ("host=h user=u password=''", DatabaseUrl("u", "", "h", 5432, "u")),
        (r"host=h user=u password='it\'s a \\ and a b'", DatabaseUrl("u", "it's a \\ and a b", "h", 5432, "u")),
        (r"host=h user=u password=it\'s\ a\\b", DatabaseUrl("u", "it's a\\b", "h", 5432, "u")),
        ("host=h user=u password='a'dbname=db", DatabaseUrl("u", "a", "h", 5432, "db")),
        ("host=h user=u password=p=q%20'r", DatabaseUrl("u", "p=q%20'r", "h", 5432, "u")),
        ("host=h1,h2 user=u", DatabaseUrl("u", "", "h1", 5432, "u", others=(Place("h2", 5432),))),
        ("host=h1,h2 port=1 user=u", DatabaseUrl("u", "", "h1", 1, "u", others=(Place("h2", 1),))),
        ("host=h1,::1 port=1, user=u", DatabaseUrl("u", "", "h1", 1, "u", others=(Place("::1", 5432),))),
        ("hostaddr=10.0.0.1 user=u", DatabaseUrl("u", "", "10.0.0.1", 5432, "u")),
        ("host=h hostaddr=10.0.0.1 user=u", DatabaseUrl("u", "", "h", 5432, "u", (("hostaddr", "10.0.0.1"),))),
        ("host=h user=u pgbouncer=true", DatabaseUrl("u", "", "h", 5432, "u", (), (("pgbouncer", "true"),))),
    ],
)
def test_the_keywords_of_libpq(text: str, url: DatabaseUrl) -> None:
    assert parse(text) == url


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("host=h user", "a word is no KEY=VALUE"),
        (f"host=h user=u password=a {SECRET}", "a value with a space in it, as a password may be, stands in single quotes"),
        (f"host=h user=u password=a {SECRET}=b", "after the password stands a key that nobody knows"),
        ("host=h user=u password='p", "the value of password begins with a quote and has none at its end"),
        (r"host=h user=u password='p\'", "the value of password begins with a quote"),
        ("host=h user=u password=p\\", "a word is no KEY=VALUE"),
        ("host=h =x", "a word is no KEY=VALUE"),
        ("host=h dbname=db", "names no user"),
        ("user=u dbname=db", "names no host"),
        ("host='' user=u", "names no host"),
        ("host=/var/run/postgresql user=u", "a folder with a socket will not do"),
        ("host=h user=u port=x", "a number from 1 to 65535"),
        ("host=h1,h2 port=1,2,3 user=u", "the port is one for all hosts or one for each, and there are 3 for 2"),
        ("host=h user=u hostaddr=10.0.0.1,10.0.0.2", "hostaddr is one IP address for each host, and there are 2 for 1"),
        ("host=h user=u user=v", "gives user twice"),
        ("host=h user=u\x00", "NUL"),
        ("username=u host=h", "username is no key of libpq's, nor of a library known here; did you mean user?"),
        ("host=h user=u pasword=p", "did you mean password?"),
        ("host=h user=u ssl_mode=require", "did you mean sslmode?"),
        ("host=h user=u database=db", "did you mean dbname?"),
    ],
)
def test_keywords_refused_and_why(text: str, problem: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(text)
    assert problem in refused.value.what
    assert SECRET not in str(refused.value)
    assert refused.value.where == "database URL"


words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
hosts = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True) | st.ip_addresses().map(str)


@BOUNDED
@given(words, words, st.lists(hosts, min_size=1, max_size=3), st.integers(1, 65535), words)
def test_what_libpq_writes_is_read_as_libpq_reads_it(user: str, password: str, places: list[str], port: int, name: str) -> None:
    text = make_conninfo(user=user, password=password, host=",".join(places), port=port, dbname=name, application_name=name)
    first, *others = [Place(host, port) for host in places]
    assert parse(text) == DatabaseUrl(user, password, first.host, port, name, (("application_name", name),), (), tuple(others))


@BOUNDED
@given(st.from_regex(r"host=h user=u ([a-z]{1,9} ?= ?('([^'\\]|\\.)*'|([^' \\]|\\.)*) ?){0,3}", fullmatch=True))
def test_the_same_quoting_as_libpq(text: str) -> None:
    try:
        ours = parse(text)
    except UserError:
        return
    theirs = conninfo_to_dict(text)
    assert (ours.user, ours.host) == (theirs["user"], theirs["host"])
    assert ours.password == (theirs.get("password") or "")


@BOUNDED
@given(st.builds("{}{}{}".format, words, st.just(SECRET), words), st.sampled_from(["", " sslmode=x", " port=0", " nothing", " '", "\\"]))
def test_a_password_shows_in_no_message(password: str, rest: str) -> None:
    for text in (f"host=h user=u password={password}{rest}", f"user=u sslpassword={password} password={password}{rest} host=h"):
        try:
            shown = repr(parse(text)) + str(parse(text))
        except UserError as error:
            shown = f"{error} {error!r} {error.__cause__!r}"
        assert SECRET not in shown
