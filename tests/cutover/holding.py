"""Dangerous moments of a night, made to last: a step that is held at its start, an attempt's row, a database gone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from slacktide.postgres.connection import connect
from tests.cutover.moving import Moving, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from slacktide.postgres.server import Server

_KEY = 205_001
_HOLD = f"""
create schema if not exists held_up;
create table if not exists held_up.step (step text, state text);
delete from held_up.step;
create or replace function held_up.wait() returns trigger language plpgsql as $$ begin
    if new.state <> old.state and exists (select from held_up.step where (step, state) = (new.step, new.state)) then
        perform pg_advisory_xact_lock_shared({_KEY});
    end if;
    return new;
end $$;
create or replace trigger held_up before update on slacktide.procedure_step
    for each row execute function held_up.wait();
"""
_WAITING = """
select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like %s
    and application_name like %s
order by query_start
"""
_END = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()"


@contextmanager
def at_step(moving: Moving, step: str, *, state: str = "running") -> Iterator[psycopg.Connection]:
    """Hold whoever notes that a step is so, from the control database, while this lasts or the connection is open."""
    with connect(moving.control, name="held up") as connection:
        connection.execute(_HOLD)
        connection.execute("insert into held_up.step values (%s, %s)", [step, state])
        connection.execute("select pg_advisory_lock(%s)", [_KEY])
        try:
            yield connection
        finally:
            connection.close()
            moving.ask("control", "delete from held_up.step")


def until_held(moving: Moving, *, step: str) -> None:
    """Wait until somebody is held at a step."""
    until(lambda: waiting(moving, "update slacktide.procedure_step"), seconds=90, what=f"the step {step}")


def waiting(moving: Moving, query: str, *, name: str = "", side: str = "control") -> list[int]:
    """Give the connections (of this name, if one is given) that wait for a lock, the longest waiting first."""
    return [pid for (pid,) in moving.ask(side, _WAITING, f"%{query}%", f"%{name}%")]


@contextmanager
def gone(server: Server, database: str) -> Iterator[None]:
    """Make a database unreachable for everybody, for as long as this lasts."""
    with connect(server.address(), name="gone") as connection:
        connection.execute(f'alter database "{database}" allow_connections false'.encode())
        connection.execute(_END, [database])
        try:
            yield
        finally:
            connection.execute(f'alter database "{database}" allow_connections true'.encode())
