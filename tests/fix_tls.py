"""A real server with TLS, and certificates of each kind a client may meet.

`tls_server.access()` gets in with `verify-full`; `with tls_server.with_certificate("expired"):` lets the server show another one.
"""

import datetime
import ipaddress
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infraops_core import certificates, passwords
from infraops_core.access import Access
from infraops_core.database_url import DatabaseUrl, Place
from infraops_core.errors import UserError
from infraops_core.roles import ADMIN
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import binaries, server
from infraops_core.servers.embedded.folder import ServerFolder
from infraops_core.servers.loopback import LOOPBACK
from infraops_core.tls import Tls
from tests.fix_postgres import TestServer, new_folder, wait_until

HOST = "db.example.test"
"""What the good certificate is for, besides localhost and 127.0.0.1; no resolver knows the name."""

OTHER_HOST = "other.example.test"

_NAMES = (HOST, "localhost", LOOPBACK)
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """One that signs certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Kind:
    """A certificate to be made: for whom, for how many days from now, and by which authority; by itself where it has none."""

    names: tuple[str, ...] = _NAMES
    days: float = 90
    signer: str = "ca"


KINDS = {
    "good": Kind(),
    "soon expired": Kind(days=10),
    "expired": Kind(days=-1),
    "wrong host": Kind(names=(OTHER_HOST,)),
    "self-signed": Kind(signer=""),
    "unknown ca": Kind(signer="other"),
}


@dataclass(frozen=True)
class TlsServer:
    """A running server, the CA file that its good certificate was signed with, and another CA's."""

    server: TestServer
    ca: Path
    other_ca: Path

    @property
    def port(self) -> int:
        return self.server.running.port

    def access(self, role: str = ADMIN, sslmode: str = "verify-full", *, host: str = HOST, password: str | None = None,
               database: str = "postgres", at: str = LOOPBACK, **parameters: str) -> Access:  # fmt: skip
        """A way in for one role, by `sslmode` and with the CA file where that checks one.

        :param at: the address of a host that is no name of this machine; empty for one that is to be looked up.
        """
        given = {"sslmode": sslmode}
        if sslmode.startswith("verify-"):
            given["sslrootcert"] = str(self.ca)
        if at and host not in ("localhost", LOOPBACK):
            given["hostaddr"] = at
        secret = self.server.wanted.admin_password if password is None else password
        url = DatabaseUrl(role, secret, host, self.port, database, tuple((given | parameters).items()))
        return Access(url, {"verify-full": Tls.VERIFY_FULL, "verify-ca": Tls.REQUIRE, "require": Tls.REQUIRE}.get(sslmode, Tls.DISABLE))

    @contextmanager
    def with_certificate(self, kind: str) -> Iterator[None]:
        """The server shows the certificate of this kind in the block; of the kind `none` it is without TLS."""
        self._show(kind)
        try:
            yield
        finally:
            self._show("good")

    def _show(self, kind: str) -> None:
        settings = {"ssl": "off"} if kind == "none" else {"ssl": "on", "ssl_cert_file": f"{kind}.crt", "ssl_key_file": f"{kind}.key"}
        with self.server.access().connect(seconds=60) as connection:
            for name, value in settings.items():
                connection.execute(f"alter system set {name} = '{value}'".encode())
            connection.execute("select pg_reload_conf()")
        wait_until(lambda: self._shown() == kind, f"the certificate that is {kind}")

    def _shown(self) -> str:
        try:
            return certificates.look(Place(LOOPBACK, self.port)).subject.removeprefix("CN=")
        except UserError:
            return "none"


@pytest.fixture(scope="session")
def tls_server() -> Iterator[TlsServer]:
    """One server with a good certificate for all tests; those that change it change it back."""
    folder = new_folder()
    papers = Path(tempfile.mkdtemp(prefix="infraops-tls-"))
    asked = server.Wanted(ServerFolder(folder / "server"), "infraops", "test", binaries.find([17], None), None, passwords.generate())
    made = TlsServer(TestServer(asked, server.ensure(asked)), papers / "ca.crt", papers / "other-ca.crt")
    authorities = {"ca": authority("Test CA"), "other": authority("Another CA")}
    made.ca.write_bytes(pem(authorities["ca"].certificate))
    made.other_ca.write_bytes(pem(authorities["other"].certificate))
    for name, kind in KINDS.items():
        write(asked.folder.data, name, kind, authorities.get(kind.signer))
    made._show("good")
    yield made
    server.remove(asked.folder, "infraops", "test")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(papers)


def authority(name: str) -> Authority:
    """A new authority that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(_signed(name, Kind(names=(), days=365), key, None, is_authority=True), key)


def write(folder: Path, name: str, kind: Kind, signer: Authority | None) -> None:
    """`NAME.crt` and `NAME.key`, for the account that runs the server alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    for path, content in ((folder / f"{name}.crt", pem(_signed(name, kind, key, signer))), (folder / f"{name}.key", private)):
        path.write_bytes(content)
        path.chmod(0o600)
        accounts.for_server().take(path)


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as the files of servers and clients hold it."""
    return ssl.DER_cert_to_PEM_cert(certificate.public_bytes(serialization.Encoding.DER)).encode()


def _signed(
    name: str, kind: Kind, key: ec.EllipticCurvePrivateKey, signer: Authority | None, *, is_authority: bool = False
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.datetime.now(datetime.UTC) + kind.days * _DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - 400 * _DAY)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if kind.names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(spelt) for spelt in kind.names]), critical=False)
    return builder.sign(signer.key if signer else key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
