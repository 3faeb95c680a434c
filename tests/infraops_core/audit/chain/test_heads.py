"""Signed heads: what is signed, what is refused, and that others can check them as documented."""

import base64
import copy
import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from infraops_core import checkout
from infraops_core.audit.chain import heads, keys
from infraops_core.audit.chain.heads import Head
from infraops_core.audit.chain.record import CHAINS
from infraops_core.errors import ExitCode, UserError

KEY = Ed25519PrivateKey.generate()
HEADS = st.builds(
    Head,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True),
    st.sampled_from([chain.table for chain in CHAINS]),
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)


@given(st.lists(HEADS))
def test_what_was_signed_is_read_back(signed: list[Head]) -> None:
    document = heads.read(json.dumps(heads.sign(signed, KEY), indent=2), "f")
    assert document.heads == tuple(signed)
    assert document.public_key == keys.raw(KEY.public_key())


def cut(document: dict[str, Any]) -> None:
    document["heads"].pop()


def grown(document: dict[str, Any]) -> None:
    document["heads"][0]["seq"] += 1


@pytest.mark.parametrize(
    "alter",
    [cut, grown, lambda d: d.update(made_at="2020-01-01"), lambda d: d.update(note="more"), lambda d: d["heads"].reverse(),
     lambda d: d.update(public_key=base64.b64encode(keys.raw(Ed25519PrivateKey.generate().public_key())).decode())],
)  # fmt: skip
def test_an_altered_document_is_found_bad(alter: Callable[[dict[str, Any]], object]) -> None:
    document = heads.sign([Head("a", "audit_events", 2, bytes(32)), Head("b", "audit_events", 1, bytes(32))], KEY)
    altered = copy.deepcopy(document)
    alter(altered)
    with pytest.raises(UserError, match="altered after they were signed") as refused:
        heads.check(altered, "heads.json")
    assert refused.value.code is ExitCode.FOUND_BAD
    assert refused.value.where == "heads.json"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 100_000, '{"format": "other"}', '{"format": "infraops-audit-heads/1"}',
     '{"format": "infraops-audit-heads/1", "made_at": "", "heads": 1, "public_key": "", "signature": ""}',
     '{"format": "infraops-audit-heads/1", "made_at": "", "heads": [{"tenant": "a"}], "public_key": "", "signature": ""}',
     '{"format": "infraops-audit-heads/1", "made_at": "", "heads": [], "public_key": "AAAA", "signature": "!"}'],
)  # fmt: skip
def test_what_is_no_document_of_heads_could_not_be_checked(text: str) -> None:
    with pytest.raises(UserError, match="this is no file of chain heads") as refused:
        heads.read(text, "heads.json")
    assert refused.value.code is ExitCode.COULD_NOT_CHECK


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_no_document_does_more_than_be_refused(document: object) -> None:
    with pytest.raises(UserError):
        heads.check({"format": heads.FORMAT, "heads": document, "made_at": document, "public_key": document, "signature": document}, "f")


def test_the_documented_check_without_this_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (checkout.ROOT / "docs" / "audit-heads.md").read_text()
    code = textwrap.dedent(re.findall(r"(?ms)^Without this program:\n\n(.*?)\n\n\S", page)[0])
    monkeypatch.chdir(tmp_path)
    Path("audit-heads.pub.pem").write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    document = heads.sign([Head("a", "audit_events", 2, bytes(32))], KEY)
    Path("heads.json").write_text(json.dumps(document, indent=2))
    exec(code, {})  # noqa: S102
    document["heads"][0]["seq"] = 1
    Path("heads.json").write_text(json.dumps(document))
    with pytest.raises(InvalidSignature):
        exec(code, {})  # noqa: S102
