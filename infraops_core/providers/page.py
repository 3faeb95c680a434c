"""docs/providers.md, from the providers' own files.

Made anew by: python -m infraops_core.providers.page > docs/providers.md
"""

from infraops_core.providers import ALL, Fact, Provider

HEADINGS = {
    "hosts": "Hosts",
    "tls": "TLS",
    "ca": "Certificate authority",
    "pooling": "Pooled and direct",
    "connections": "Connections",
    "statements": "Statement timeout",
    "extensions": "Extensions",
    "logical_replication": "Logical replication",
    "replication_roles": "Roles with REPLICATION",
    "idle": "When nobody asks",
    "backups": "Backups",
}
"""A section each, in this order; the keys are `Facts`' fields."""

_INTRO = """\
# Providers

<!-- Made from infraops_core/providers by: python -m infraops_core.providers.page > docs/providers.md -->

Whose database a URL names is read off its hosts: every host of the URL has to be the provider's. Where no host tells, as with an
address, a domain of one's own or a proxy on loopback, it is a plain Postgres unless you say otherwise.

What the code does with these facts:

- The URL of a provider is refused below its `sslmode`, before anything is sent. `disable` passes on loopback only.
- A pooled URL is refused for migrations, dumps and replication, and the direct one suggested. One that says `pgbouncer=true` is
  pooled, whoever's it is.
- More connections for the app (`infraops:connectionLimit`) than any database of the provider takes are refused.
- The user name is written as the provider's pooler wants it.

Everything else here is for you to know before you go there. Each fact names the page it was read on; all were read in 2026-11, in
stored copies of those pages that may be older. "not found" means that no page was found to say so, not that it isn't there.
"""


def text() -> str:
    """The page."""
    hosted = [provider for provider in ALL if provider.hosted]
    sections = [_INTRO, _overview(), *(_section(field, heading, hosted) for field, heading in HEADINGS.items()), _prices(hosted)]
    return "\n".join(sections)


def _overview() -> str:
    rows = [
        _row(f"`{provider.name}`", provider.title, "yes" if provider.hosted else "no", _rule(provider), _most(provider)) for provider in ALL
    ]
    head = ["| `DATABASE_PROVIDER` | whose | hosted | weakest sslmode | connections, at most |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _section(field: str, heading: str, providers: list[Provider]) -> str:
    rows = [_row(provider.title, *_cells(getattr(provider.facts, field))) for provider in providers]
    return "\n".join([f"## {heading}", "", "| provider | what | source |", "|---|---|---|", *rows, ""])


def _prices(providers: list[Provider]) -> str:
    rows = [_row(provider.title, provider.prices) for provider in providers]
    return "\n".join(["## Prices", "", "| provider | page |", "|---|---|", *rows, ""])


def _rule(provider: Provider) -> str:
    return f"{provider.tls}, none on loopback" if provider.on_loopback and provider.tls != "disable" else str(provider.tls)


def _most(provider: Provider) -> str:
    return str(provider.most_connections) if provider.most_connections else "depends"


def _cells(fact: Fact) -> tuple[str, str]:
    return fact.text, f"{fact.source} ({fact.read})" if fact.source else ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    print(text(), end="")
