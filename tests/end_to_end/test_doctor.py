"""`infraops doctor STACK` on a stack that is up, and with its engine, its state, its file and its passwords broken."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infraops_core.doctor.checks import CHECKS
from infraops_core.servers.embedded import server
from tests.end_to_end.test_secrets import ArgumentWatch, literal_passwords
from tests.fix_project import Project, Ran


def verdicts(ran: Ran) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in json.loads(ran.out)["checks"]}


def wrong(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: one["verdict"] for name, one in found.items() if one["verdict"] in ("warn", "fail")}


def test_a_healthy_stack_passes_in_less_than_three_seconds_and_shows_no_password(standing: Project) -> None:
    seconds = []
    for _ in range(2):
        began = time.monotonic()
        ran = standing.infraops("doctor", "local")
        seconds.append(time.monotonic() - began)
    watch = ArgumentWatch()
    watch.start()
    as_json = standing.infraops("doctor", "local", "--json")
    watch.done.set()
    watch.join()

    assert (ran.code, as_json.code) == (0, 0), ran.text
    assert min(seconds) < 3
    found = verdicts(as_json)
    assert list(found) == [one.id for one in CHECKS]
    assert wrong(found) == {}
    assert found["passwords.age"]["verdict"] == "pass"
    assert found["disk.free"]["verdict"] == "pass"
    assert {name for name, one in found.items() if one["verdict"] == "unchecked"} == {
        "tls.certificate", "tls.hostname", "tls.expiry", "tls.channel-binding"
    }  # fmt: skip
    seen = "\n".join([ran.text, as_json.text, *watch.seen])
    assert not [secret for secret in literal_passwords(standing) if secret in seen]


def test_nothing_is_made_or_changed(standing: Project) -> None:
    before = _files(standing)
    assert standing.infraops("doctor", "local").code == 0
    assert _files(standing) == before


def test_the_wrong_passphrase(standing: Project) -> None:
    ran = standing.infraops("doctor", "local", "--json", PULUMI_CONFIG_PASSPHRASE="another")
    assert ran.code == 3, ran.text
    found = verdicts(ran)
    assert wrong(found) == {"backend.passphrase": "fail"}
    assert "not the one stack local was encrypted with" in found["backend.passphrase"]["found"]
    assert found["login.app"]["found"] == "backend.passphrase failed"


def test_a_backend_that_is_not_there(standing: Project) -> None:
    ran = standing.infraops("doctor", "local", "--json", PULUMI_BACKEND_URL="file:///nowhere/at/all")
    assert ran.code == 3, ran.text
    assert wrong(verdicts(ran)) == {"backend.opens": "fail"}


def test_a_stack_that_was_never_made(standing: Project) -> None:
    standing.configure("other")
    try:
        ran = standing.infraops("doctor", "other", "--json")
    finally:
        (standing.root / "Pulumi.other.yaml").unlink()
    assert ran.code == 3, ran.text
    found = verdicts(ran)
    assert wrong(found) == {"stack.up": "fail"}
    assert found["stack.up"]["next"] == "infraops up other"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("config:\n  infraops:target: local\n  infraops:tennant: x\n", "did you mean infraops:tenant?"),
        ("config: [\n", "is not YAML"),
        ("", "infraops:target"),
    ],
)
def test_a_broken_file_is_told_and_the_database_is_looked_at_all_the_same(standing: Project, text: str, says: str) -> None:
    file = standing.root / "Pulumi.local.yaml"
    kept = file.read_text()
    file.write_text(text)
    try:
        ran = standing.infraops("doctor", "local", "--json")
    finally:
        file.write_text(kept)
    assert ran.code == 2, ran.text
    found = verdicts(ran)
    assert wrong(found) == {"stack.file": "fail"}
    assert says in found["stack.file"]["found"]
    assert found["chain.heads"]["verdict"] == "pass"


def test_no_engine_is_told_and_none_is_made(standing: Project) -> None:
    engine = standing.state / "engine"
    engine.rename(engine.with_name("engine.away"))
    try:
        ran = standing.infraops("doctor", "local", "--json", PATH="/usr/bin:/bin")
        assert not (engine / "bin").exists()
    finally:
        subprocess.run(["rm", "-rf", engine], check=True)
        engine.with_name("engine.away").rename(engine)
    assert ran.code == 3, ran.text
    assert wrong(verdicts(ran)) == {"engine.version": "fail"}


def test_old_passwords_a_changed_one_and_a_stopped_server_are_told_with_commands_that_mend_them(up: Project) -> None:
    before = literal_passwords(up)
    with _state(up) as deployment:
        for resource in deployment["deployment"]["resources"]:
            if resource["urn"].endswith("Passwords::role-passwords"):
                resource["created"] = "2025-01-31T00:00:00Z"
    admin_url = json.loads(up.infraops("env", "local", "--admin", "--format", "json").out)["ADMIN_DATABASE_URL"]
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("alter role infraops_app password 'another-password'")
    ran = up.infraops("doctor", "local", "--json")
    assert ran.code == 2, ran.text
    found = verdicts(ran)
    assert wrong(found) == {"login.app": "fail", "passwords.age": "warn"}
    assert re.match(r"the oldest, role-passwords, is \d+ days old", found["passwords.age"]["found"])
    assert _named(found["login.app"]["next"]).endswith("Roles::roles")

    renewed = up.pulumi("up", "--yes", "--stack", "local", "--replace", _named(found["passwords.age"]["next"]))
    assert renewed.code == 0, renewed.text
    assert len(literal_passwords(up) - before) == 3
    again = up.infraops("doctor", "local", "--json")
    assert wrong(verdicts(again)) == {}, again.text

    server.stop(up.server())
    ran = up.infraops("doctor", "local", "--json")
    assert ran.code == 3, ran.text
    found = verdicts(ran)
    assert wrong(found) == {"tcp.connects": "fail"}
    assert found["tcp.connects"]["next"] == "infraops up local"


def _named(following: str) -> str:
    """The resource in a command that replaces one."""
    told = re.search(r"pulumi up --stack local --replace '([^']+)'$", following)
    assert told is not None, following
    return told.group(1)


@contextmanager
def _state(project: Project) -> Iterator[dict[str, Any]]:
    """The stack's state to change, put back at the end of the block."""
    file = project.root / "state.json"
    assert project.pulumi("stack", "export", "--stack", "local", "--file", str(file)).code == 0
    deployment = json.loads(file.read_text())
    yield deployment
    file.write_text(json.dumps(deployment))
    imported = project.pulumi("stack", "import", "--stack", "local", "--file", str(file))
    assert imported.code == 0, imported.text
    file.unlink()


def _files(project: Project) -> dict[str, tuple[int, int]]:
    """Every file of the copy and its state but for the server's own data and the engine's logs."""
    kept = [path for path in project.root.rglob("*") if path.is_file() and not {"servers", "home", ".git", "__pycache__"} & set(path.parts)]
    return {str(path): (Path(path).stat().st_mtime_ns, Path(path).stat().st_size) for path in kept}
