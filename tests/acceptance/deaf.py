"""A releaser that no message and no count of changes reaches: it has its recheck alone. `python deaf.py ADDRESS`."""

from __future__ import annotations

import sys

from slacktide.holding import store
from slacktide.holding.release import Releaser
from slacktide.postgres.connection import connect

COUNT = "or q.kind = 'hold' and q.seen <> (select last_value + is_called::int from slacktide.schedule_count)"
OF_QUEUE = "or kind = 'hold' and seen <> (select last_value + is_called::int from slacktide.schedule_count)"


def deafen():
    """Take the messages, and the looks at the count of changes, from this process."""
    store.CHANNELS = ()
    texts = {name: store._sql[name] for name in store._sql}  # noqa: SLF001 -- taken out of this process alone
    for name, count in (("due", COUNT), ("queue", OF_QUEUE)):
        if count not in texts[name]:
            sys.exit(f"the statement {name} looks at the count in other words")
        texts[name] = texts[name].replace(count, "")
    store._sql = texts  # noqa: SLF001 -- see above


if __name__ == "__main__":
    deafen()
    with connect(sys.argv[1], name="release") as connection:
        Releaser(connection).run(ended=lambda: False)
