"""Ranges of keys: the source selects, and the target looks for what is absent, in one order, whatever the type."""

from __future__ import annotations

import pytest

from slacktide.plan import column_type
from slacktide.plan.load import load_plan_text
from slacktide.postgres.connection import connect
from slacktide.transfer import source_sql
from slacktide.transfer.message import Present
from tests.transfer.line import HERE

NUMBERS = "select n::text from generate_series(1, 1200) n"
WORDS = """
select case when n % 2 = 0 then 'a' else 'B' end || n from generate_series(1, 1200) n
union all select 'ä' || chr(65536) union all select chr(65535 - 2)
"""
KEYS = {
    "bigint": NUMBERS, "int8": NUMBERS, "integer": NUMBERS, "numeric(10,0)": NUMBERS, "text": WORDS, "varchar": WORDS,
    "date": "select (date '2016-01-01' + n)::text from generate_series(1, 1200) n",
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
def test_one_order(database, kind):
    """Every key of a range that the source selects is within it, and no other, whatever the type's own order is."""
    text = (HERE / "bare.yaml").read_text().replace("account_id: bigint", f'account_id: "{kind}"')
    plan = load_plan_text(text=text.replace("key: account_id\n", "key: account_id\n    drawn: false\n"), file="x")
    entity = plan.entity["account"]
    with connect(database, name="test") as connection:
        connection.execute("create schema bare")
        connection.execute(f"create table bare.account (account_id {kind}, property text, name text)")
        connection.execute(f"insert into bare.account select k::{kind}, 'P' from ({KEYS[kind]}) s (k)")
        keys = [key for (key,) in connection.execute("select account_id::text from bare.account")]
        facts = {"property": "P", "size": 100}
        ends = [end for end, _ in connection.execute(source_sql.range_ends(plan, entity), facts)]
        seen = []
        for after, upto in zip([None, *ends], [*ends, None], strict=True):
            within = Present("account", after, upto).within(whole=column_type.is_whole(kind))
            range_ = {"property": "P", "after": after, "upto": upto}
            selected = [key for (key,) in connection.execute(source_sql.range_keys(plan, entity), range_)]
            assert sorted(selected) == sorted(filter(within, keys))
            seen += selected
    assert sorted(seen) == sorted(keys)
    assert len(ends) > 5
