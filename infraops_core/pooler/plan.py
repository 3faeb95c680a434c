"""What a pooler's configuration is to say, decided from the stack's URLs and its server's answers."""

import dataclasses
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infraops_core import providers, roles
from infraops_core.access import Access
from infraops_core.database_url import DatabaseUrl, build
from infraops_core.errors import UserError
from infraops_core.pooler import server
from infraops_core.pooler.listening import Listening
from infraops_core.pooler.version import Version
from infraops_core.providers import pooled
from infraops_core.tls import Tls
from infraops_core.wording import counted

POOL_SIZE = 20
"""PgBouncer's own default."""

_KEPT = {"sslmode", "sslrootcert"}
_OF_NO_MATTER = {"application_name", "fallback_application_name", "connect_timeout", "client_encoding"}
"""What each client says for itself, or PgBouncer has settings of its own for."""


@dataclass(frozen=True)
class Urls:
    """A stack's URLs: the application's and the reader's for their passwords, the owner's for the place, the admin's to ask by.

    Where roles were made by somebody else, only the application's is sure to be there.
    """

    app: DatabaseUrl
    readonly: DatabaseUrl | None
    direct: DatabaseUrl | None
    admin: DatabaseUrl | None
    tls: Tls


@dataclass(frozen=True)
class Pooler:
    """One PgBouncer in front of one database.

    :param behind: the database's place, name and encryption; its user and password don't count.
    :param secrets: what a client proves its password against, by user name: a SCRAM verifier, or the password itself.
    :param are_verifiers: which of the two.
    :param reader: the user who only reads, and may ask the pooler for its statistics; empty where there is none.
    :param ca: the authority that the server's certificate is checked with.
    :param size: server connections for each of the users.
    :param version: of the PgBouncer that it is written for; None where that is not known.
    :param url: the application's, through the pooler.
    :param warnings: what its user should know.
    """

    listening: Listening
    behind: DatabaseUrl
    secrets: Mapping[str, str] = field(repr=False)
    are_verifiers: bool
    ca: Path | None
    size: int
    version: Version | None
    reader: str
    url: DatabaseUrl
    warnings: tuple[str, ...]


def plan(urls: Urls, listening: Listening, *, size: int | None, version: Version | None) -> Pooler:
    """Ask the server, and decide.

    :param size: server connections for each user; without it as many as PgBouncer and the app's limit allow.
    :raises UserError: for a database that PgBouncer can't stand in front of, or a server that can't be asked.
    """
    behind = urls.direct or urls.app
    where = f"{'DIRECT_DATABASE_URL' if urls.direct else 'DATABASE_URL'} (host {behind.host})"
    _check(behind, urls.tls, where)
    passwords = {roles.APP: urls.app.password} | ({roles.READONLY: urls.readonly.password} if urls.readonly else {})
    said = server.look(Access(urls.admin or behind, urls.tls), tuple(passwords))
    provider = providers.of(behind)
    logins = {role: provider.login(role, behind) for role in passwords}
    are_verifiers = set(said.verifiers) == set(logins) == set(logins.values())
    secrets = {login: said.verifiers[role] if are_verifiers else passwords[role] for role, login in logins.items()}
    limit = said.limits[roles.APP]
    chosen = size or (POOL_SIZE if limit == server.UNLIMITED else max(1, min(POOL_SIZE, limit)))
    sslmode = Tls.DISABLE if listening.certificate is None else max(Tls.REQUIRE, urls.tls, key=list(Tls).index)
    url = build(logins[roles.APP], urls.app.password, host=listening.name, port=listening.place.port, database=behind.database,
                sslmode=sslmode)  # fmt: skip
    return Pooler(
        listening, behind, secrets, are_verifiers, _ca(behind, where), chosen, version, logins.get(roles.READONLY, ""),
        url=dataclasses.replace(url, foreign=(("pgbouncer", "true"),)),
        warnings=tuple(_warnings(behind, chosen, len(secrets), said, listening)),
    )  # fmt: skip


def _check(behind: DatabaseUrl, rule: Tls, where: str) -> None:
    if whose := pooled.pooler(behind):
        raise UserError(f"a pooler is put in front of the database itself, and this leads to {whose}", where=where,
                        next=f"use the direct URL: {pooled.advice(behind)}")  # fmt: skip
    if behind.others:
        raise UserError("the URL names several hosts, and PgBouncer would use them in turn, standbys and all", where=where,
                        next="name the primary's host, or one that follows it, in the URL")  # fmt: skip
    behind.check_tls(rule)


def _ca(behind: DatabaseUrl, where: str) -> Path | None:
    """The file of the authority that the URL names; where the mode checks nothing there need be none."""
    named = behind.parameter("sslrootcert")
    if named == "system":
        return Path(ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile)
    if named and Path(named).is_file():
        return Path(named)
    if named or behind.sslmode.startswith("verify"):
        what = f"there is no file {named}" if named else "the URL names no authority to check the certificate with"
        raise UserError(f"{what}, and PgBouncer needs one for sslmode={behind.sslmode}", where=where,
                        next="put sslrootcert=FILE into the URL, or sslrootcert=system for a public one")  # fmt: skip
    return None


def _warnings(behind: DatabaseUrl, size: int, users: int, said: server.Server, listening: Listening) -> list[str]:
    told = []
    limit = said.limits[roles.APP]
    if limit != server.UNLIMITED and size > limit:
        told.append(f"the server refuses {roles.APP} more than {limit} connections (infraops:connectionLimit), and the pool is for {size}")
    if users * size > said.room:
        told.append(f"{size} connections for each of {counted(users, 'role')} are more than the {said.room} that the server has for all")
    if left := sorted({key for key, _ in behind.parameters} - _KEPT - _OF_NO_MATTER):
        told.append(f"{', '.join(left)} of the URL is left out: PgBouncer connects without it")
    if not behind.is_loopback and not behind.sslmode.startswith("verify"):
        told.append(f"sslmode={behind.sslmode} encrypts, and checks nobody's certificate; the URL's sslmode decides")
    if listening.certificate is not None and listening.name == listening.place.host:
        told.append(f"the certificate names no host, so the URL has the address {listening.place.host}")
    return told
