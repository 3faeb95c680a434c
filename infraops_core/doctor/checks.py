"""The table of all checks, in the order they are told; docs/doctor.md has the same one for readers."""

from infraops_core.doctor import capacity, encryption, logins, network, privileges, server, stack, trail, upkeep
from infraops_core.doctor.check import Check, Lane

_LOGINS = ("login.app", "login.owner", "login.readonly", "login.admin")
_BEFORE_LOGIN = "tls.expiry"
_DAYS = f"{upkeep.PASSWORD_DAYS} days"

CHECKS: tuple[Check, ...] = (
    Check("engine.version", Lane.ENGINE, "a Pulumi CLI new enough for this project", stack.engine, is_way=True, of_stack=True),
    Check(stack.BACKEND, Lane.ENGINE, "the state can be opened", stack.backend, ("engine.version",), is_way=True, of_stack=True),
    Check(stack.PASSPHRASE, Lane.ENGINE, "the state's secrets can be read", stack.passphrase, (stack.BACKEND,), is_way=True, of_stack=True),
    Check(stack.UP, Lane.ENGINE, "the stack has outputs", stack.up, (stack.BACKEND,), is_way=True, of_stack=True),
    Check("stack.file", Lane.FILE, "every setting is known and allowed", stack.file, of_stack=True),
    Check("environment", Lane.ENGINE, "variables and URLs go together", network.variables, (stack.UP,)),
    Check("dns.resolves", Lane.PLACE, "every host has an address", network.resolves, ("environment",), is_way=True),
    Check("tcp.connects", Lane.PLACE, "every port takes a connection within 5 s", network.connects, ("environment",), is_way=True),
    Check("server.answers", Lane.PLACE, "a Postgres answers within 5 s", network.answers, ("environment",), is_way=True),
    Check("tls.version", Lane.PLACE, f"{encryption.OLDEST} or newer; off on this machine", encryption.version, ("environment",)),
    Check("tls.certificate", Lane.PLACE, "it chains to an authority that is trusted", encryption.certificate, ("environment",)),
    Check("tls.hostname", Lane.PLACE, "it is for the URL's host", encryption.host_name, ("environment",)),
    Check("tls.expiry", Lane.PLACE, f"valid for {encryption.EXPIRY_DAYS} days or more", encryption.expiry, ("environment",)),
    Check("tls.channel-binding", Lane.PLACE, "offered, or sslmode=verify-full", encryption.channel_binding, ("environment",)),
    Check("login.app", Lane.APP, "DATABASE_URL lets its role in", logins.APP, ("environment",), (_BEFORE_LOGIN,)),
    Check("login.owner", Lane.OWNER, "DIRECT_DATABASE_URL lets its role in", logins.OWNER, ("environment",), (_BEFORE_LOGIN,)),
    Check("login.readonly", Lane.READONLY, "READONLY_DATABASE_URL lets its role in", logins.READONLY, ("environment",), (_BEFORE_LOGIN,)),
    Check("login.admin", Lane.ADMIN, "ADMIN_DATABASE_URL lets its role in", logins.ADMIN, ("environment",), (_BEFORE_LOGIN,)),
    Check("latency", Lane.APP, f"median of 5 answers within {server.LATENCY_MILLISECONDS} ms", server.latency, after=_LOGINS),
    Check("server.version", Lane.READONLY, "the community supports its major version", server.version, after=_LOGINS),
    Check("server.role", Lane.READONLY, "a primary that takes writes", server.role, after=_LOGINS),
    Check("clock.skew", Lane.READONLY, f"within {server.SKEW_SECONDS:g} s of this machine's", server.clock, after=_LOGINS),
    Check("privileges.app", Lane.APP, "INSERT and SELECT on the trail, nothing else there; no DDL", privileges.app, ("login.app",)),
    Check("privileges.readonly", Lane.READONLY, "SELECT on the trail, nothing else there; no DDL", privileges.readonly,
          ("login.readonly",)),
    Check("timeouts.app", Lane.APP, f"both on, at most {capacity.LONGEST_TIMEOUT_SECONDS} s", capacity.timeouts, ("login.app",)),
    Check("connections.limit", Lane.APP, f"as many as a pool wants, under {capacity.FULL_SHARE:.0%} in use", capacity.connections,
          ("login.app",)),
    Check("pooler.behaviour", Lane.OWNER, "the owner's URL is direct, the app's says when it is pooled", capacity.pooler, after=_LOGINS),
    Check("extensions", Lane.OWNER, "every one asked for is enabled", capacity.extensions, after=("stack.file", *_LOGINS)),
    Check("schema.version", Lane.SCHEMA, "every migration applied, none without its file", trail.version, ("login.owner",),
          ("stack.file",)),
    Check("schema.checksum", Lane.SCHEMA, "what was applied is what the files say", trail.checksum, ("login.owner",)),
    Check("trail.guards", Lane.OWNER, "triggers, row-level security and policies as they were made", trail.guards, after=_LOGINS),
    Check("chain.heads", Lane.OWNER, "each chain's newest row fits its hash and the row before", trail.heads, after=_LOGINS),
    Check("passwords.age", Lane.HERE, f"at most {_DAYS}", upkeep.passwords, ("environment",)),
    Check("backup.age", Lane.HERE, f"in prod at most {upkeep.BACKUP_DAYS} days, unless the provider keeps its own", upkeep.backup,
          ("environment",)),
    Check("disk.free", Lane.HERE, f"{upkeep.FREE_SHARE:.0%} and {upkeep.FREE_BYTES // 2**30} GiB or more", upkeep.disk, ("environment",)),
)  # fmt: skip
