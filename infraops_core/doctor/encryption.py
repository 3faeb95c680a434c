"""Checks of TLS: its version, the certificate's chain, name and days, and whether log-ins can be bound to it.

What a client does not look at (`sslmode=require` looks at nothing) is a warning, and a failure where it does.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from infraops_core import certificates
from infraops_core.certificates import Certificate
from infraops_core.database_url import DatabaseUrl
from infraops_core.doctor import mechanisms
from infraops_core.doctor.check import Found, Verdict, failed, passed, warned
from infraops_core.doctor.network import over_places
from infraops_core.doctor.subject import STEP_SECONDS, Endpoint, Subject
from infraops_core.errors import UserError
from infraops_core.tls import Tls

EXPIRY_DAYS = 30
OLDEST = "TLSv1.2"

_UNPROTECTED = ("disable", "allow", "prefer")
_VERSIONS = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# PostgreSQL documentation, "SSL Support", section "Client Verification of Server Certificates"
_DEFAULT_CA = Path("~/.postgresql/root.crt")


def version(subject: Subject) -> Found:
    """The server has TLS, 1.2 or newer; it may be off on this machine."""
    return over_places(subject, "tls.version", _version)


def certificate(subject: Subject) -> Found:
    """The certificate chains to the authority that the URL names, else to one that this machine trusts."""
    return over_places(subject, "tls.certificate", _chain, stops=lambda endpoint: _verifies(subject, endpoint))


def host_name(subject: Subject) -> Found:
    """The certificate is for the host that the URL names."""
    return over_places(subject, "tls.hostname", _name, stops=lambda endpoint: _sslmode(subject, endpoint) == "verify-full")


def expiry(subject: Subject) -> Found:
    """The certificate is valid, and for some time yet."""
    return over_places(subject, "tls.expiry", _days, stops=lambda endpoint: _verifies(subject, endpoint))


def channel_binding(subject: Subject) -> Found:
    """A log-in can be bound to the certificate, so that nobody between can pass it on."""
    return over_places(subject, "tls.channel-binding", _binding, stops=lambda _: False)


def of_days(shown: Certificate, now: datetime) -> Found:
    """What there is to say of a certificate's days."""
    left = shown.not_after - now
    if shown.not_before > now:
        return failed(f"it is valid from {shown.not_before:%Y-%m-%d} on only", "see this machine's clock, else renew it at the server")
    if left < timedelta(0):
        return failed(f"it expired on {shown.not_after:%Y-%m-%d}, {-left.days} days ago", "renew it at the server")
    text = f"it is valid until {shown.not_after:%Y-%m-%d}, for {left.days} days"
    return warned(text, "renew it at the server before that day") if left < timedelta(days=EXPIRY_DAYS) else passed(text)


def _version(subject: Subject, endpoint: Endpoint) -> Found | None:
    url = _url(subject, endpoint)
    if all(way.tls is Tls.DISABLE and way.url.sslmode in _UNPROTECTED for way in subject.users(endpoint)):
        return passed(f"{endpoint} is this machine, and may be without")
    try:
        shown = certificates.look(endpoint.place, subject.addresses[endpoint][0], ca=_ca(url), seconds=subject.within(STEP_SECONDS))
    except UserError as error:
        return failed(f"{endpoint}: {error.what}", error.next)
    subject.certificates[endpoint] = shown
    if shown.tls in _VERSIONS and _VERSIONS.index(shown.tls) < _VERSIONS.index(OLDEST):
        return failed(f"{endpoint} has {shown.tls}", "let the server demand more: ssl_min_protocol_version = 'TLSv1.2'")
    return passed(f"{endpoint} has {shown.tls}")


def _chain(subject: Subject, endpoint: Endpoint) -> Found | None:
    shown = subject.certificates.get(endpoint)
    if shown is None:
        return None
    ca = _ca(_url(subject, endpoint))
    of = "this machine's authorities" if ca == "system" else ca
    if shown.trusted:
        return passed(f"signed by {shown.issuer}, as {of} say" if ca == "system" else f"signed by {shown.issuer}, as {of} says")
    signed = "signed by itself" if shown.self_signed else f"signed by {shown.issuer}"
    provided = f" ({subject.provider.ca})" if subject.provider is not None and subject.provider.hosted else ""
    text = f"{signed}, which {of} {'do' if ca == 'system' else 'does'} not vouch for: {shown.distrust}"
    following = f"give its authority's certificate: sslrootcert=FILE in the URL{provided}"
    return failed(text, following) if _verifies(subject, endpoint) else _unseen(text, following, subject, endpoint)


def _name(subject: Subject, endpoint: Endpoint) -> Found | None:
    shown = subject.certificates.get(endpoint)
    if shown is None:
        return None
    host = endpoint.place.host
    if shown.is_for(host):
        return passed(f"it is for {host}")
    text = f"it is for {', '.join(shown.names[:3]) or 'no host'}, not for {host}"
    following = "name the host as the certificate does (hostaddr=ADDRESS leads there), or have one made for it"
    is_seen = _sslmode(subject, endpoint) == "verify-full"
    return failed(text, following) if is_seen else _unseen(text, following, subject, endpoint)


def _days(subject: Subject, endpoint: Endpoint) -> Found | None:
    shown = subject.certificates.get(endpoint)
    return None if shown is None else of_days(shown, datetime.now(UTC))


def _binding(subject: Subject, endpoint: Endpoint) -> Found | None:
    if endpoint not in subject.certificates:
        return None
    url = _url(subject, endpoint)
    address, seconds = subject.addresses[endpoint][0], subject.within(STEP_SECONDS)
    offered = mechanisms.offered(endpoint.place, address, url.user, url.database, seconds=seconds)
    if mechanisms.BOUND in offered:
        return passed(f"{mechanisms.BOUND} is offered")
    text = f"{mechanisms.BOUND} is not offered, but {', '.join(offered) or 'no password at all'}"
    if url.parameter("channel_binding") == "require":
        return failed(text, "take channel_binding=require out of the URL, or have the server offer it")
    if url.sslmode == "verify-full":
        return passed(f"{text}; sslmode=verify-full proves the server")
    return warned(text, "use sslmode=verify-full, so that the certificate proves the server (poolers offer no binding)")


def _unseen(text: str, following: str, subject: Subject, endpoint: Endpoint) -> Found:
    return Found(Verdict.WARN, f"{text} (sslmode={_sslmode(subject, endpoint)} does not look)", following)


def _url(subject: Subject, endpoint: Endpoint) -> DatabaseUrl:
    """The URL that demands most of the place."""
    order = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
    return max((way.url for way in subject.users(endpoint)), key=lambda url: order.index(url.sslmode))


def _sslmode(subject: Subject, endpoint: Endpoint) -> str:
    return _url(subject, endpoint).sslmode


def _verifies(subject: Subject, endpoint: Endpoint) -> bool:
    """Whether a client refuses a certificate of another authority; with a CA file `require` does too."""
    url = _url(subject, endpoint)
    return url.sslmode in ("verify-ca", "verify-full") or (url.sslmode == "require" and _ca(url) != "system")


def _ca(url: DatabaseUrl) -> str:
    """What vouches: what the URL names, libpq's own file, or this machine's authorities."""
    default = _DEFAULT_CA.expanduser()
    return url.parameter("sslrootcert") or (str(default) if default.exists() else "system")
