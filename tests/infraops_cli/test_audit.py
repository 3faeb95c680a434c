"""`infraops audit`: heads, verify, prune: what each says and returns, for good and wrong inputs."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from infraops_core import checkout, roles
from infraops_core.audit.chain.record import AUDIT_EVENTS, CHAINS
from tests.infraops_cli.conftest import Database, Run
from tests.infraops_core.audit.rows import append, apply_schema, unguarded

LATER = "2999-01-01"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two private keys and their public halves, made as the documentation says."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("key", "other"):
        for command in (
            f"openssl genpkey -algorithm ed25519 -out {name}.pem",
            f"chmod 600 {name}.pem",
            f"openssl pkey -in {name}.pem -pubout -out {name}.pub.pem",
        ):
            subprocess.run(command.split(), cwd=folder, capture_output=True, check=True)
    (folder / "open.pem").write_bytes((folder / "key.pem").read_bytes())
    (folder / "open.pem").chmod(0o640)
    return folder


@pytest.fixture
def trail(database: Database) -> Database:
    """Five events and one row of each other kind of tenant acme, two events of tenant other."""
    with redirect_stdout(StringIO()):
        apply_schema(database.access())
    with database.access().connect(seconds=60) as connection:
        append(connection, AUDIT_EVENTS, "acme", 5)
        for chain in CHAINS[1:]:
            append(connection, chain, "acme")
        append(connection, AUDIT_EVENTS, "other", 2)
    return database


def export(infraops: Run, trail: Database, key: Path, to: Path) -> str:
    ended = infraops("audit", "heads", "--sign", str(key), **trail.variables)
    assert (ended.code, ended.err) == (0, "")
    to.write_text(ended.out)
    return str(to)


def tamper(trail: Database, statement: str) -> None:
    """As a superuser, past every trigger."""
    admin = trail.server.scratch.admin
    with (
        trail.server.scratch.access(admin.url.user, admin.url.password, trail.name).connect(seconds=60) as connection,
        unguarded(connection),
    ):
        connection.execute(statement.encode())


def test_a_whole_trail_is_whole_also_for_its_signed_heads(infraops: Run, trail: Database, keys: Path, tmp_path: Path) -> None:
    heads = export(infraops, trail, keys / "key.pem", tmp_path / "heads.json")
    assert [(head["tenant"], head["chain"], head["seq"]) for head in json.loads(Path(heads).read_text())["heads"]] == [
        ("acme", "audit_events", 5),
        ("other", "audit_events", 2),
        ("acme", "incident_snapshots", 1),
        ("acme", "agent_runs", 1),
        ("acme", "approval_requests", 1),
    ]
    verified = infraops("audit", "verify", "--heads", heads, "--key", str(keys / "key.pub.pem"), **trail.variables)
    assert (verified.code, verified.out, verified.err) == (0, "Verified  10 rows in 5 chains, 5 heads: all whole\n", "")
    trusting = infraops("audit", "verify", "--heads", heads, "--tenant", "other", **trail.variables)
    assert trusting.out == "Verified  2 rows in 1 chain, 1 head: all whole\n"
    assert trusting.err.startswith("Trusting  key SHA256:")
    told = infraops("audit", "verify", "--json", **trail.variables).json()
    assert told == {"rows": 10, "chains": 5, "heads": 0, "findings": []}


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("update infraops_audit.audit_events set summary = 'x' where tenant_id = 'acme' and seq = 3", "row 3: changed ("),
        ("delete from infraops_audit.audit_events where tenant_id = 'acme' and seq = 3", "row 3: missing ("),
        ("delete from infraops_audit.audit_events where tenant_id = 'acme' and seq > 3", "row 4: tail cut ("),
        ("delete from infraops_audit.audit_events where tenant_id = 'acme'", "row 1: tail cut ("),
    ],
)
def test_what_was_tampered_with_is_named(
    infraops: Run, trail: Database, keys: Path, tmp_path: Path, *, statement: str, finding: str
) -> None:
    heads = export(infraops, trail, keys / "key.pem", tmp_path / "heads.json")
    tamper(trail, statement)
    ended = infraops("audit", "verify", "--heads", heads, "--key", str(keys / "key.pub.pem"), **trail.variables)
    assert ended.code == 2
    found, verdict = ended.out.splitlines()
    assert found.startswith(f"Found     audit_events, tenant acme, {finding}")
    assert verdict.endswith(": 1 broken")
    as_json = infraops("audit", "verify", "--heads", heads, "--json", **trail.variables)
    assert as_json.code == 2
    assert [(one["tenant"], one["chain"]) for one in as_json.json()["findings"]] == [("acme", "audit_events")]
    refused = infraops("audit", "prune", "--tenant", "acme", "--before", LATER, "--sign", str(keys / "key.pem"), "--yes", **trail.variables)
    if "tail cut" not in finding:  # which only the heads show
        assert (refused.code, refused.out) == (2, "")
        assert "nothing was pruned, for the chain is not whole: audit_events, tenant acme, row 3" in refused.err


Altered = Callable[[str], str]


@pytest.mark.parametrize(
    ("alter", "code", "says"),
    [
        (lambda text: text.replace('"seq": 5', '"seq": 4'), 2, "the heads were altered after they were signed"),
        (lambda text: text.replace("acme", "acmf"), 2, "the heads were altered after they were signed"),
        (lambda text: text[:-20], 3, "this is no file of chain heads: it is not JSON"),
        (lambda _: "{}", 3, "this is no file of chain heads"),
        (lambda _: "", 3, "this is no file of chain heads"),
        (lambda _: "\x00\xff", 3, "this is no file of chain heads"),
    ],
)
def test_heads_that_are_not_as_signed(
    infraops: Run, trail: Database, keys: Path, tmp_path: Path, *, alter: Altered, code: int, says: str
) -> None:
    heads = Path(export(infraops, trail, keys / "key.pem", tmp_path / "heads.json"))
    heads.write_text(alter(heads.read_text()))
    ended = infraops("audit", "verify", "--heads", str(heads), **trail.variables)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err
    assert f"where: {heads}" in ended.err


def test_heads_of_another_key_are_found(infraops: Run, trail: Database, keys: Path, tmp_path: Path) -> None:
    ours = export(infraops, trail, keys / "key.pem", tmp_path / "ours.json")
    theirs = export(infraops, trail, keys / "other.pem", tmp_path / "theirs.json")
    for arguments in (["--heads", ours, "--heads", theirs], ["--heads", theirs, "--key", str(keys / "key.pub.pem")]):
        ended = infraops("audit", "verify", *arguments, **trail.variables)
        assert ended.code == 2
        assert "signed with another key, SHA256:" in ended.err
        assert f"where: {theirs}" in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["heads"], 1, "Missing option '--sign'"),
        (["heads", "--sign", "KEYS/none.pem"], 1, "the key cannot be read: No such file"),
        (["heads", "--sign", "KEYS"], 1, "the key cannot be read: Is a directory"),
        (["heads", "--sign", "KEYS/open.pem"], 1, "others than its owner may read the signing key"),
        (["verify", "--key", "KEYS/none.pem"], 1, "the key cannot be read"),
        (["verify", "--key", "KEYS/key.pem"], 1, "no unencrypted Ed25519 public key"),
        (["verify", "--heads", "KEYS/none.json"], 3, "the heads cannot be read: No such file"),
        (["verify", "--heads", "KEYS/key.pem"], 3, "this is no file of chain heads"),
        (["verify", "--tenant", "nobody"], 3, "tenant nobody has no row"),
        (["prune", "--tenant", "acme", "--before", LATER], 1, "Missing option '--sign'"),
        (["prune", "--tenant", "acme", "--before", "nonsense", "--sign", "KEYS/key.pem", "--yes"], 1, "'nonsense' is no day and no time"),
        (["prune", "--tenant", "acme", "--before", "2026-02-30", "--sign", "KEYS/key.pem", "--yes"], 1, "is no day and no time"),
        (["prune", "--tenant", "acme", "--before", "2001-01-01", "--sign", "KEYS/key.pem", "--yes"], 1, "nothing to prune: tenant acme"),
        (["prune", "--tenant", "nobody", "--before", LATER, "--sign", "KEYS/key.pem", "--yes"], 1, "nothing to prune: tenant nobody"),
        (["prune", "--tenant", "acme", "--before", LATER, "--sign", "KEYS/key.pem"], 1, "there is no terminal to ask on"),
        (["prune", "--tenant", "acme", "--before", LATER, "--sign", "KEYS/open.pem", "--yes"], 1, "others than its owner"),
    ],
)
def test_a_wrong_input_says_so_and_deletes_nothing(
    infraops: Run, trail: Database, keys: Path, *, arguments: list[str], code: int, says: str
) -> None:
    ended = infraops("audit", *(argument.replace("KEYS", str(keys)) for argument in arguments), **trail.variables)
    assert ended.code == code, ended.text
    assert says in ended.err
    assert ended.out == ""
    assert "PRIVATE KEY" not in ended.text
    assert trail.do("select count(*) from infraops_audit.audit_events") == [(7,)]


@pytest.mark.parametrize(
    ("command", "code"), [(["verify"], 3), (["heads", "--sign", "KEY"], 3),
                          (["prune", "--tenant", "acme", "--before", LATER, "--sign", "KEY", "--yes"], 1)]
)  # fmt: skip
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:Sesam0effneDich@127.0.0.1:1/d", "Connection refused"),
        ("RIGHT-WITH-WRONG-PASSWORD", "password authentication failed"),
        ("NO-SCHEMA", "infraops migrate up"),
    ],
)
def test_what_cannot_be_read_is_no_finding(
    infraops: Run, database: Database, keys: Path, *, command: list[str], code: int, url: str, says: str
) -> None:
    own = database.url()
    url = {"NO-SCHEMA": own, "RIGHT-WITH-WRONG-PASSWORD": own.replace(database.server.passwords[roles.OWNER], "Sesam0effneDich")}.get(
        url, url
    )
    ended = infraops("audit", *(part.replace("KEY", str(keys / "key.pem")) for part in command), DIRECT_DATABASE_URL=url)
    assert (ended.code, ended.out) == (code, ""), ended.text
    assert says in ended.err


def test_without_a_database_it_is_the_users_mistake(infraops: Run) -> None:
    ended = infraops("audit", "verify")
    assert ended.code == 1
    assert "neither READONLY_DATABASE_URL nor DIRECT_DATABASE_URL is set" in ended.err


def test_a_role_that_sees_one_tenant_cannot_vouch_for_all(infraops: Run, trail: Database) -> None:
    ended = infraops("audit", "verify", READONLY_DATABASE_URL=trail.url(roles.APP))
    assert ended.code == 3
    assert "infraops_app does not see every tenant's rows of infraops_audit.agent_runs" in ended.err


@pytest.mark.parametrize(
    "hide",
    [
        "drop policy readonly on infraops_audit.approval_requests",
        "alter policy readonly on infraops_audit.approval_requests using (tenant_id <> 'acme')",
        "alter policy readonly on infraops_audit.approval_requests to infraops_owner",
        "create policy narrow on infraops_audit.approval_requests as restrictive to public using (tenant_id <> 'acme')",
    ],
)
def test_a_table_that_hides_rows_is_not_vouched_for(infraops: Run, trail: Database, hide: str) -> None:
    assert infraops("audit", "verify", READONLY_DATABASE_URL=trail.url(roles.READONLY)).code == 0
    tamper(trail, hide)
    ended = infraops("audit", "verify", READONLY_DATABASE_URL=trail.url(roles.READONLY))
    assert ended.code == 3
    assert "infraops_readonly does not see every tenant's rows of infraops_audit.approval_requests" in ended.err


def test_who_may_not_prune_is_refused(infraops: Run, trail: Database, keys: Path) -> None:
    for role in (roles.APP, roles.READONLY):
        ended = infraops(
            "audit", "prune", "--tenant", "acme", "--before", LATER, "--sign", str(keys / "key.pem"), "--yes",
            DIRECT_DATABASE_URL=trail.url(role) + "&options=-c%20infraops.tenant%3Dacme",
        )  # fmt: skip
        assert ended.code == 1, ended.text
        assert "no row was pruned: permission denied" in ended.err
    assert trail.do("select count(*) from infraops_audit.audit_events") == [(7,)]


def test_pruned_is_what_was_named_and_the_rest_still_verifies(infraops: Run, trail: Database, keys: Path, tmp_path: Path) -> None:
    heads = export(infraops, trail, keys / "key.pem", tmp_path / "heads.json")
    with trail.access().connect(seconds=60) as connection:
        append(connection, AUDIT_EVENTS, "acme", 2)
    pruned = infraops("audit", "prune", "--tenant", "acme", "--before", LATER, "--sign", str(keys / "key.pem"), "--yes", **trail.variables)
    assert (pruned.code, pruned.out) == (0, "Pruned    6 rows of audit_events, tenant acme, up to row 6\n"), pruned.text
    assert pruned.err == "Pruning   audit_events, tenant acme: every row up to 6\n"
    assert trail.do("select tenant_id, seq from infraops_audit.audit_events order by 1, 2") == [("acme", 7), ("other", 1), ("other", 2)]
    for arguments in ([], ["--heads", heads, "--key", str(keys / "key.pub.pem")]):
        verified = infraops("audit", "verify", *arguments, **trail.variables)
        assert verified.code == 0, verified.text
    other_key = infraops("audit", "verify", "--key", str(keys / "other.pub.pem"), **trail.variables)
    assert other_key.code == 2
    assert "row 6: bad anchor (it is signed with another key" in other_key.out


def test_the_documented_check_without_this_program_holds(infraops: Run, trail: Database, keys: Path, tmp_path: Path) -> None:
    heads = export(infraops, trail, keys / "key.pem", tmp_path / "heads.json")
    (tmp_path / "audit-heads.pub.pem").write_bytes((keys / "key.pub.pem").read_bytes())
    page = (checkout.ROOT / "docs" / "audit-heads.md").read_text()
    script = "\n".join(line[4:] for line in page[page.index("    import base64") :].split("\n\n`verify`")[0].splitlines())
    for text, holds in ((Path(heads).read_text(), True), (Path(heads).read_text().replace('"seq": 5', '"seq": 4'), False)):
        Path(heads).write_text(text)
        ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (ran.returncode == 0) is holds, ran.stderr
