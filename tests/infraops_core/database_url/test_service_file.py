"""Service files: read as libpq reads them; what the text says wins, and a mistake is named by file and line, not by its content."""

from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infraops_core.database_url import DatabaseUrl, parse
from infraops_core.errors import UserError

SECRET = "Sesam0effneDich"

SERVICES = f"""
# the audit database
[other]
host=elsewhere
[audit]
host=h
port=6432
dbname=db
# who
  user=u
password={SECRET} with spaces =
sslmode=require

[audit2]
host=elsewhere
"""
OF_SERVICE = DatabaseUrl("u", f"{SECRET} with spaces =", "h", 6432, "db", (("sslmode", "require"),))


@pytest.fixture
def service_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own service file; there is none of the system's."""
    file = tmp_path / "services.conf"
    file.write_text(SERVICES)
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.setenv("PGSYSCONFDIR", str(tmp_path / "system"))
    return file


@pytest.mark.usefixtures("service_file")
@pytest.mark.parametrize("text", ["service=audit", "postgresql://?service=audit", "postgres:///?service=audit", "service = 'audit' "])
def test_a_service(text: str) -> None:
    assert parse(text) == OF_SERVICE
    assert SECRET not in repr(parse(text))


@pytest.mark.usefixtures("service_file")
@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("service=audit user=v", DatabaseUrl("v", OF_SERVICE.password, "h", 6432, "db", OF_SERVICE.parameters)),
        ("postgresql://v:q@/?service=audit", DatabaseUrl("v", "q", "h", 6432, "db", OF_SERVICE.parameters)),
        ("postgresql://v:q@x/?service=audit", DatabaseUrl("v", "q", "x", 6432, "db", OF_SERVICE.parameters)),
        ("postgresql://v:q@x:1/d?service=audit&sslmode=verify-full", DatabaseUrl("v", "q", "x", 1, "d", (("sslmode", "verify-full"),))),
        ("postgresql:///d?service=audit", DatabaseUrl("u", OF_SERVICE.password, "h", 6432, "d", OF_SERVICE.parameters)),
    ],
)
def test_what_the_text_says_wins(text: str, url: DatabaseUrl) -> None:
    assert parse(text) == url


@pytest.mark.usefixtures("service_file")
def test_libpq_reads_the_same_parts() -> None:
    theirs = psycopg.pq.PGconn.connect(b"service=audit hostaddr=127.0.0.1 port=1 connect_timeout=2")
    read = {name: getattr(theirs, name).decode() for name in ("user", "password", "host", "db")}
    theirs.finish()
    url = parse("service=audit")
    assert read == {"user": url.user, "password": url.password, "host": url.host, "db": url.database}


def test_at_home_and_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGSERVICEFILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGSYSCONFDIR", str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "pg_service.conf").write_text("[a]\nhost=system\nuser=u\n[b]\nhost=system\nuser=u\n")
    (tmp_path / ".pg_service.conf").write_text("[a]\nhost=home\nuser=u\n")
    assert (parse("service=a").host, parse("service=b").host) == ("home", "system")


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (f"[audit]\nhost=h\n{SECRET}\n", 3, "a line is KEY=VALUE with one of libpq's keywords and no space around the ="),
        (f"[audit]\npassword={SECRET}\nuser = u\n", 3, "no space around the ="),
        (f"[audit]\n{SECRET}=x\n", 2, "a line is KEY=VALUE with one of libpq's keywords"),
        ("[audit]\npasword=x\n", 2, "pasword is no key of libpq's, nor of a library known here; did you mean password?"),
        ("[audit]\npgbouncer=true\n", 2, "pgbouncer is no keyword of libpq's"),
        ("[audit]\nservice=other\n", 2, "a service can't refer to another service"),
        ("[audit]\nhost=h\n\nhost=i\n", 4, "host is given twice"),
        ("[audit]\nsslmode=on\n", 2, "sslmode=on is not allowed"),
        (f"[audit]\nsslmode={SECRET}\n", 2, "the value of sslmode is not allowed"),
    ],
)
def test_a_mistake_in_the_file_and_where(service_file: Path, content: str, line: int, problem: str) -> None:
    service_file.write_text(content)
    with pytest.raises(UserError) as refused:
        parse("service=audit")
    assert problem in refused.value.what
    assert refused.value.where == f"{service_file}:{line}"
    assert SECRET not in str(refused.value)


def test_mistakes_of_other_services_do_not_matter(service_file: Path) -> None:
    service_file.write_text(f"[before]\nnothing\n{SERVICES}\n[after]\nnothing\n")
    assert parse("service=audit") == OF_SERVICE


def test_a_service_that_no_file_has_and_the_files_looked_at(service_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="service audi is defined in no service file") as refused:
        parse("service=audi")
    assert refused.value.where == f"{service_file}, {tmp_path}/system/pg_service.conf (not there)"


def test_a_service_file_that_can_not_be_read(service_file: Path) -> None:
    service_file.write_bytes(b"\xff")
    with pytest.raises(UserError, match="the service file can't be read: it is not UTF-8 text"):
        parse("service=audit")
    service_file.unlink()
    service_file.mkdir()
    with pytest.raises(UserError, match="Is a directory"):
        parse("service=audit")


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.builds("{}{}".format, st.text(max_size=5), st.just(SECRET)), st.text(max_size=60))
def test_nothing_of_a_service_file_shows(tmp_path_factory: pytest.TempPathFactory, before: str, password: str, after: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any_services.conf"
    file.write_text(f"[audit]\n{before}\npassword={password}\n{after}", encoding="utf-8", errors="replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGSERVICEFILE", str(file))
        try:
            shown = repr(parse("service=audit host=h user=u"))
        except UserError as error:
            shown = f"{error} {error!r} {error.__cause__!r}"
    assert SECRET not in shown
