"""Which statements build an index CONCURRENTLY, and which index."""

import pytest

from infraops_core.migrations.indexes import Build, build
from infraops_core.migrations.statements import Statement


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("create index concurrently a_n on a (n)", Build("a_n", "a", is_rebuild=False)),
        (
            "CREATE UNIQUE INDEX\n CONCURRENTLY /* now */ IF NOT EXISTS A_n ON ONLY s . A USING btree (n)",
            Build("a_n", "s.a", is_rebuild=False),
        ),
        ('create index concurrently "a "" on" on "S"."a b"(n)', Build('a " on', '"S"."a b"', is_rebuild=False)),
        ("create index concurrently on a (n)", Build("", "a", is_rebuild=False)),
        ("create index concurrently online on a (n)", Build("online", "a", is_rebuild=False)),
        ("reindex table concurrently a", Build("", "", is_rebuild=True)),
        ("reindex (verbose) index concurrently a_n", Build("", "", is_rebuild=True)),
        ("reindex table a", None),
        ("create index a_n on a (n)", None),
        ("create index concurrently_named on a (n)", None),
        ("create table a (concurrently int)", None),
        ("drop index concurrently a_n", None),
        ("select 'create index concurrently a on b (c)'", None),
        ("-- create index concurrently a on b (c)\nselect 1", None),
    ],
)
def test_what_a_statement_builds(statement: str, found: Build | None) -> None:
    assert build(Statement(statement, 0)) == found
