"""Why a connection's TLS failed, and what to do: libpq says that a certificate was refused, and not what is wrong with it.

Source: PostgreSQL documentation, "SSL Support", section "Client Verification of Server Certificates": the default CA file, and
what each `sslmode` checks.
"""

import os
from pathlib import Path

from infraops_core import certificates
from infraops_core.database_url import DatabaseUrl, Place
from infraops_core.errors import UserError

_LOOK_SECONDS = 2.0
_SHORTEST_LOOK = 0.2
_SYSTEM = "system"


def check_files(url: DatabaseUrl) -> None:
    """Refuse a URL that asks for a check against a CA file which is not there, before a byte is sent.

    :raises UserError: naming the file.
    """
    file = ca_file(url)
    if not url.sslmode.startswith("verify-") or file == _SYSTEM or Path(file).is_file():
        return
    raise UserError(
        f"sslmode={url.sslmode} needs the certificate of the authority that signed the server's, and there is no file {file}",
        where=f"sslrootcert of the database URL (host {url.host})",
        next=f"put that certificate there, or name its file in sslrootcert{_source(url)}",
    )


def ca_file(url: DatabaseUrl) -> str:
    """The file with the authorities that the server's certificate is checked against, or `system`."""
    default = os.environ.get("PGSSLROOTCERT") or str(Path.home() / ".postgresql" / "root.crt")
    return url.parameter("sslrootcert") or default


def explained(said: str, url: DatabaseUrl, place: Place, address: str, *, seconds: float) -> str:
    """What libpq said, and after it the reason, where TLS is what failed; the server is asked for its certificate again.

    :param seconds: that are left for asking.
    """
    if "FATAL:" in said:
        return said
    if "does not support SSL" in said:
        return f"{said}; turn TLS on at the server, or see whether a pooler without TLS answers for it"
    if "channel binding" in said:
        return f"{said}; channel_binding=require needs TLS up to the server and a SCRAM password, which some poolers end or lack"
    if "certificate" not in said or seconds < _SHORTEST_LOOK:
        return said
    ca = ca_file(url)
    try:
        found = certificates.look(place, address, ca=ca if ca == _SYSTEM or Path(ca).is_file() else "", seconds=min(_LOOK_SECONDS, seconds))
    except UserError:  # it has just failed; what libpq said stands
        return said
    faults = found.faults(place.host if url.sslmode == "verify-full" else "")
    advice = f"; name a file with that authority's certificate in sslrootcert (now {ca}){_source(url)}" if found.trusted is False else ""
    return f"{said}; the server's certificate {', and '.join(faults)}{advice}" if faults else said


def _source(url: DatabaseUrl) -> str:
    """Where the URL's provider has its certificate; of one that nobody recognises, what public authorities need."""
    from infraops_core import providers  # here, so that getting in costs no look at them

    provider = providers.of(url)
    return f"; {provider.title}: {provider.ca}" if provider.hosted and provider.ca else "; sslrootcert=system is for public authorities"
