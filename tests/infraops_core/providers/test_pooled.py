"""Which URLs are a pooler's, and which URL stands behind it."""

import pytest

from infraops_core.database_url import parse
from infraops_core.providers import pooled


@pytest.mark.parametrize(
    ("place", "whose", "direct"),
    [
        ("ep-a-b-1-pooler.us-east-2.aws.neon.tech/d", "Neon's pooler", "ep-a-b-1.us-east-2.aws.neon.tech:5432/d"),
        ("EP-A-1-Pooler.c-2.us-east-2.aws.neon.tech/d", "Neon's pooler", "EP-A-1.c-2.us-east-2.aws.neon.tech:5432/d"),
        ("ep-a-b-1.us-east-2.aws.neon.tech/d", "", "ep-a-b-1.us-east-2.aws.neon.tech:5432/d"),
        ("ep-a.x-pooler.aws.neon.tech/d", "", "ep-a.x-pooler.aws.neon.tech:5432/d"),
        ("a-pooler.example.com/d", "", "a-pooler.example.com:5432/d"),
        ("neon.tech.example.com/d", "", "neon.tech.example.com:5432/d"),
        ("aws-0-eu-west-1.pooler.supabase.com:6543/d", "Supabase's pooler", "aws-0-eu-west-1.pooler.supabase.com:5432/d"),
        ("db.ref.supabase.co:6543/d", "Supabase's pooler", "db.ref.supabase.co:5432/d"),
        ("aws-0-eu-west-1.pooler.supabase.com:5432/d", "", "aws-0-eu-west-1.pooler.supabase.com:5432/d"),
        ("db.ref.supabase.co/d", "", "db.ref.supabase.co:5432/d"),
        ("example.com:6543/d", "", "example.com:6543/d"),
        ("example.com/d?pgbouncer=true&sslmode=require", "a pooler (it says pgbouncer=true)", "example.com:5432/d?sslmode=require"),
        ("example.com/d?pgbouncer=false", "", "example.com:5432/d"),
        ("db.ref.supabase.co:6543/d?pgbouncer=true", "Supabase's pooler", "db.ref.supabase.co:5432/d"),
    ],
)
def test_whose_pooler_and_what_is_behind_it(place: str, whose: str, direct: str) -> None:
    url = parse(f"postgresql://u:p@{place}")
    assert pooled.pooler(url) == whose
    assert pooled.direct(url) == parse(f"postgresql://u:p@{direct}")
    assert pooled.pooler(pooled.direct(url)) == ""
