"""Where a pooler may listen, and with which certificate."""

import subprocess
from pathlib import Path

import pytest

from infraops_core.database_url import Place
from infraops_core.errors import UserError
from infraops_core.pooler import listening
from tests import fix_tls


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys: `named`, `address` (which names an address only), `nameless`, `other`."""
    folder = tmp_path_factory.mktemp("papers")
    ca = fix_tls.authority("Test CA")
    for name, names in (
        ("named", ("*.example.test", "pooler.example.test")),
        ("address", ("10.0.0.5",)),
        ("nameless", ()),
        ("other", ("o",)),
    ):
        fix_tls.write(folder, name, fix_tls.Kind(names=names), ca)
    subprocess.run(["openssl", "pkey", "-in", "named.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:6432", Place("127.0.0.1", 6432)),
        ("127.0.0.7:1", Place("127.0.0.7", 1)),
        ("[::1]:65535", Place("::1", 65535)),
        ("::1:6432", Place("::1", 6432)),
    ],
)
def test_this_machine_needs_no_certificate(text: str, place: Place) -> None:
    found = listening.at(text, None, None)
    assert (found.place, found.name, found.certificate, found.is_loopback) == (place, place.host, None, True)


@pytest.mark.parametrize("text", ["0.0.0.0:6432", "10.0.0.5:6432", "[::]:6432", "*:6432"])
def test_others_do(papers: Path, text: str) -> None:
    with pytest.raises(UserError, match="can be reached from other machines") as refused:
        listening.at(text, None, None)
    assert "--tls-cert" in refused.value.next
    found = listening.at(text, papers / "named.crt", papers / "named.key")
    assert (found.name, found.is_loopback) == ("pooler.example.test", False)


@pytest.mark.parametrize(
    "text",
    ["", "6432", ":6432", "localhost:6432", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:0655350",
     "127.0.0.1:1e3", "127.0.0.1:٣", "1.2.3:6432", "127.0.0.1:6432:1", "127.0.0.1 :6432", "127.0.0.1:-1"],
)  # fmt: skip
def test_what_is_no_address_with_a_port_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no address with a port") as refused:
        listening.at(text, None, None)
    assert refused.value.where == "--listen"


@pytest.mark.parametrize(
    ("certificate", "key", "says"),
    [
        ("named.crt", None, "goes with its key"),
        (None, "named.key", "goes with its key"),
        ("none.crt", "named.key", "No such file"),
        ("named.crt", "other.key", "KEY_VALUES_MISMATCH"),
        ("named.key", "named.crt", "can't be used"),
        ("named.crt", "locked.key", "locked by a passphrase"),
        ("nameless.crt", "nameless.key", "names no host"),
        ("address.crt", "address.key", "names no host"),
    ],
)
def test_a_certificate_that_will_not_do(papers: Path, certificate: str | None, key: str | None, says: str) -> None:
    with pytest.raises(UserError) as refused:
        listening.at("0.0.0.0:6432", papers / certificate if certificate else None, papers / key if key else None)
    assert says in refused.value.what
    assert refused.value.next


def test_a_certificate_without_a_hosts_name_will_do_for_one_address(papers: Path) -> None:
    assert listening.at("10.0.0.5:6432", papers / "address.crt", papers / "address.key").name == "10.0.0.5"
