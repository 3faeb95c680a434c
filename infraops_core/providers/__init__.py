"""Providers: one file each, behind one small interface; nothing else in the code knows one.

`of` says whose database a URL names, `named` finds one by its name, `fits` says whether a name and a URL go together,
`ALL` lists them. docs/providers.md is their facts as tables.
"""

from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.known import ALL, fits, named, of
from infraops_core.providers.provider import Provider

__all__ = ["ALL", "Fact", "Facts", "Provider", "fits", "named", "of"]
