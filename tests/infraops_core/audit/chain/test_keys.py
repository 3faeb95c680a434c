"""Keys that sign heads: which files are taken, and what is said of the others."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat

from infraops_core.audit.chain import keys
from infraops_core.errors import UserError

KEY = Ed25519PrivateKey.generate()


def written(path: Path, text: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text)
    path.chmod(mode)
    return path


def test_keys_as_openssl_makes_them(tmp_path: Path) -> None:
    private, public = tmp_path / "k.pem", tmp_path / "k.pub.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    private.chmod(0o600)
    assert keys.raw(keys.private_key(private).public_key()) == keys.raw(keys.public_key(public))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UserError, match="others than its owner may read"):
        keys.private_key(written(tmp_path / "k.pem", pem, mode))


@pytest.mark.parametrize(
    "text",
    [b"", b"text", KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
     KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))],
    ids=["empty", "text", "public", "encrypted"],
)  # fmt: skip
def test_what_is_no_private_key_is_refused_without_showing_it(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UserError, match="no unencrypted Ed25519 private key") as refused:
        keys.private_key(written(tmp_path / "k.pem", text))
    assert "PRIVATE KEY" not in str(refused.value)


def test_another_algorithm_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rsa.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-out", path], check=True, capture_output=True)
    path.chmod(0o600)
    with pytest.raises(UserError, match="no unencrypted Ed25519 private key"):
        keys.private_key(path)


def test_a_private_key_is_no_public_one(tmp_path: Path) -> None:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UserError, match="no unencrypted Ed25519 public key"):
        keys.public_key(written(tmp_path / "k.pem", pem))


def test_a_key_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    for read in (keys.private_key, keys.public_key):
        with pytest.raises(UserError, match="cannot be read: No such file") as refused:
            read(tmp_path / "none.pem")
        assert "openssl genpkey" in refused.value.next


def test_a_fingerprint_is_as_openssh_writes_it() -> None:
    assert keys.fingerprint(bytes(32)) == "SHA256:Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU"
