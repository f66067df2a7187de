"""The database guard: who may write an organization's rows, and the measured fact that nobody does any more.

Every guarded table has triggers that say whose rows a statement wrote, and one function,
`slacktide.guard_decide`, that decides. It takes the shared locks (the site's, then those of the old and new
organizations in the order of their lock keys) and then, in a further statement, looks at the organization's
durable state. A closer commits the state first and takes the exclusive lock afterwards. So whoever passed the
look holds a lock that the closer has to wait for, and whoever gets the lock later sees the closing.

What could go wrong, and the rule that stands against it. Each event is made to happen in `tests/guard`:

1. A writer looks, the closing commits, the closer finds no lock and records quiet, the writer commits. Lock
   first, look under the lock.
2. Lock and look in one statement: the statement's snapshot is older than the lock that it waits for, so it
   does not see the closing that committed meanwhile. The look is a further statement of a VOLATILE function.
3. A REPEATABLE READ or SERIALIZABLE transaction took its snapshot before the closing and writes after it: no
   look can show it the closing. The state's row carries an epoch; the same number stands in a sequence, which
   is read outside MVCC. A row that is behind its sequence belongs to an old snapshot: serialization failure,
   try again.
4. The closer dies between the commit of the row and the raising of its sequence: `try_quiet` raises it before
   it asks for the lock. If the server dies, the sequence may fall back, and so do all snapshots: there is
   none left that is older than the row. If the closing is rolled back, the sequence was not touched. So row
   and sequence suffice.
5. A transaction begun before a window's start asks for `now()` and finds itself before it. Only
   `clock_timestamp()`.
6. The closer waits behind a long writer, and everybody queues behind the closer: it gives up after a short
   lock time-out and is called again; and a writer that does not get its lock at once looks before it waits
   (the precheck). Try-locks for the closer would starve under eight writers.
7. The server crashes after quiet was said, and the closing is gone: the closing commits at least locally
   flushed, even where the database's default is `synchronous_commit = off`. That flush covers asynchronous
   commits of writers, too: they come earlier in the log.
8. A writer took the lock within a savepoint and rolled back to it: the lock is gone, and so are its rows.
   Nothing remembers "already judged", so the next write is judged and locks again.
9. A row moves from one organization to another: both are locked and judged, new rows and old ones.
10. Rows are written by another way: COPY, MERGE, ON CONFLICT, a view, a function, a cascade, straight into a
    partition, with `session_replication_role = replica`, by TRUNCATE. Triggers on every relation, ENABLE
    ALWAYS, per row where a relation has relatives or a subscription writes it (an apply worker fires no
    statement triggers).
11. Somebody passes by what anybody can set. Only the role in force counts: the one of SET ROLE, else the
    session's user. Membership by way of being superuser does not count.
12. TRUNCATE belongs to every organization, also to one that has no row here yet: it takes the lock '*', which
    every closer takes exclusively, too.
13. Somebody disables a trigger, replaces a function, attaches a partition: `verify_presence` compares both
    with what `install` would make, at start, at quiet and at hand over.
14. A prepared transaction holds its locks without a session: it is found by its locks and listed by its name.
15. DDL deadlocks with those who trade: one table a transaction, a short lock time-out, another try.
16. Writers that were under way when the trigger came were not guarded: CREATE TRIGGER waits for all that have
    written the table, so when it returns none of them is uncommitted.
17. A part's root changes its organization while a transaction with a part of it is open, which was judged by
    the old one. See `docs/explanation/guard.md`, "roots that move". Who is open then is told by locks: the sessions'
    own times are hidden from who has no right to see them, and go back with the machine's clock. To a partition's
    triggers such an UPDATE may be a DELETE and an INSERT; the first leaves word for the second.
18. Somebody puts a trigger function of ours on a table of his own, of a type whose cast to text is his own function: it
    would run as the guard's owner. From the transaction that makes it, a function is for nobody but its owner.

Modules: `table` (what is guarded), `install` and `presence` (the triggers), `ddl` (the only maker of SQL from
names), `state` (the state machine), `closing` (its events in a database), `holders`, `window`, `right`.
"""
