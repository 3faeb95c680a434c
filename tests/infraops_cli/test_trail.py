"""What `infraops audit` makes of files of heads and of a verdict."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infraops_cli import trail
from infraops_core.audit.chain import heads, keys
from infraops_core.audit.chain.findings import Finding, Kind
from infraops_core.audit.chain.heads import Head
from infraops_core.audit.chain.verify import Verdict
from infraops_core.errors import UserError

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
HEAD, NEXT = Head("acme", "audit_events", 5, bytes(32)), Head("acme", "audit_events", 6, bytes(32))
FOUND = Finding("audit_events", "acme", 3, Kind.CHANGED, "its content does not fit its hash")


def file(folder: Path, *of: Head, key: Ed25519PrivateKey = KEY) -> Path:
    path = folder / f"{of[0].seq}-{key is KEY}.json"
    path.write_text(json.dumps(heads.sign(of, key)))
    return path


def public(folder: Path, key: Ed25519PrivateKey = KEY) -> Path:
    path = folder / "public.pem"
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def test_without_heads_there_is_nothing_to_trust(tmp_path: Path) -> None:
    said: list[str] = []
    assert trail.read_heads([], None, said.append) == trail.Trusted([], None)
    assert trail.read_heads([], public(tmp_path), said.append) == trail.Trusted([], keys.raw(KEY.public_key()))
    assert said == []


def test_the_heads_of_all_files_are_read(tmp_path: Path) -> None:
    said: list[str] = []
    trusted = trail.read_heads([file(tmp_path, HEAD), file(tmp_path, NEXT)], public(tmp_path), said.append)
    assert trusted == trail.Trusted([HEAD, NEXT], keys.raw(KEY.public_key()))
    assert said == []


def test_a_key_that_only_the_file_names_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    first = file(tmp_path, HEAD)
    trail.read_heads([first, file(tmp_path, NEXT)], None, said.append)
    [line] = said
    assert line.startswith(f"Trusting  key {keys.fingerprint(keys.raw(KEY.public_key()))}, which {first} names itself")


@pytest.mark.parametrize("with_key", [True, False])
def test_every_file_is_of_one_key(tmp_path: Path, with_key: bool) -> None:
    files = [file(tmp_path, HEAD), file(tmp_path, NEXT, key=OTHER)]
    with pytest.raises(UserError) as refused:
        trail.read_heads(files, public(tmp_path) if with_key else None, print)
    assert (refused.value.code, refused.value.where) == (2, str(files[1]))


@pytest.mark.parametrize(
    ("verdict", "lines"),
    [
        (Verdict(0, 0, 0, ()), ["Verified  0 rows in 0 chains, 0 heads: all whole"]),
        (Verdict(12, 5, 2, ()), ["Verified  12 rows in 5 chains, 2 heads: all whole"]),
        (
            Verdict(12, 5, 2, (FOUND,)),
            [
                "Found     audit_events, tenant acme, row 3: changed (its content does not fit its hash)",
                "Verified  12 rows in 5 chains, 2 heads: 1 broken",
            ],
        ),
    ],
)
def test_a_line_a_finding_and_the_sum(verdict: Verdict, lines: list[str]) -> None:
    assert trail.text(verdict).splitlines() == lines


def test_the_same_for_a_program() -> None:
    assert json.loads(trail.as_json(Verdict(12, 5, 2, (FOUND,)))) == {
        "rows": 12,
        "chains": 5,
        "heads": 2,
        "findings": [{"chain": "audit_events", "tenant": "acme", "seq": 3, "kind": "changed", "detail": FOUND.detail}],
    }
