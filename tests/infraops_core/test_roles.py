"""The roles on a real server."""

import psycopg
import pytest

from infraops_core import roles
from tests.fix_postgres import AuditDatabase


def test_each_role_gets_in_with_its_own_password(audit_database: AuditDatabase) -> None:
    for role in (roles.OWNER, roles.APP, roles.READONLY):
        with audit_database.access(role).connect(seconds=10) as connection:
            assert connection.execute("select current_user, current_database()").fetchone() == (role, roles.DATABASE)
