"""From the text of a database URL, in any of libpq's forms, to its parts."""

import re

from infraops_core.database_url import keyword_form, keywords, service_file, uri
from infraops_core.database_url.refusal import refused
from infraops_core.database_url.url import DatabaseUrl, Place, is_address

_HOST_NAME = re.compile(r"(?!.{254})[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_DEFAULT_PORT = "5432"


def parse(text: str) -> DatabaseUrl:
    """The parts of a `postgresql://` URL, of libpq's `KEY=VALUE` form, or of the service that either names.

    Port 5432 and the user's own database by default. What the text says wins over what its service says.

    :raises UserError: naming the part that is wrong; the password is in no message.
    """
    stripped = text.strip(" \t\n\v\f\r")
    if stripped.startswith(uri.SCHEMES):
        pairs = uri.read(stripped)
    elif keyword_form.is_meant(stripped):
        pairs = keyword_form.read(stripped)
    else:
        raise refused("a database URL begins with postgres:// or postgresql://")
    given = _once(pairs)
    return _url(_with_service(given) if "service" in given else given)


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    names = [key for key, _ in pairs]
    if twice := [key for key in names if names.count(key) > 1]:
        raise refused(f"the URL gives {keywords.names(twice)} twice")
    if any("\x00" in key + value for key, value in pairs):
        holder = next((name for name, value in pairs if "\x00" in value and name in keywords.WHO_WHERE_WHAT), "")
        raise refused(f"the {'database' if holder == 'dbname' else holder or 'URL'} holds a NUL character")
    return dict(pairs)


def _with_service(given: dict[str, str]) -> dict[str, str]:
    own = {key: value for key, value in given.items() if key != "service"}
    pairs, _ = service_file.read(given["service"])
    return {**own, **{key: value for key, value in pairs if key not in own}}


def _url(given: dict[str, str]) -> DatabaseUrl:
    parameters = {key: value for key, value in given.items() if key not in keywords.WHO_WHERE_WHAT}
    for key, value in parameters.items():
        if problem := keywords.problem(key, value):
            raise refused(problem)
    if problem := keywords.contradiction(parameters):
        raise refused(problem)
    if not given.get("user"):
        raise refused("the URL names no user")
    places = _places(given, parameters)
    return DatabaseUrl(
        user=given["user"],
        password=given.get("password", ""),
        host=places[0].host,
        port=places[0].port,
        database=given.get("dbname") or given["user"],
        parameters=tuple(pair for pair in parameters.items() if pair[0] not in keywords.FOREIGN),
        foreign=tuple(pair for pair in parameters.items() if pair[0] in keywords.FOREIGN),
        others=tuple(places[1:]),
    )


def _places(given: dict[str, str], parameters: dict[str, str]) -> list[Place]:
    """Where the servers are. Without a host, `hostaddr` is one too, and the name that a certificate must have."""
    hosts = (given.get("host") or parameters.pop("hostaddr", "")).split(",")
    addresses = parameters["hostaddr"].split(",") if "hostaddr" in parameters else hosts
    if len(addresses) != len(hosts):
        raise refused(f"hostaddr is one IP address for each host, and there are {len(addresses)} for {len(hosts)}")
    ports = given.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise refused(f"the port is one for all hosts or one for each, and there are {len(ports)} for {len(hosts)}")
    return [Place(_host(host), _port(port)) for host, port in zip(hosts, ports, strict=True)]


def _host(host: str) -> str:
    if not host:
        raise refused("the URL names no host")
    if not is_address(host) and not _HOST_NAME.fullmatch(host):
        raise refused("the host is a name of letters, digits, - and dots, or an address; a folder with a socket will not do")
    return host


def _port(port: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", port or _DEFAULT_PORT) or not 1 <= int(port or _DEFAULT_PORT) <= 65535:
        raise refused("the port is a number from 1 to 65535")
    return int(port or _DEFAULT_PORT)
