"""A restored control database: real dumps, copies, new timelines and files put back."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from slacktide.control.audit import ReasonMissing
from slacktide.control.downtime import Wish, schedule_downtime
from slacktide.control.migration import migrate
from slacktide.control.organization import add_organization
from slacktide.control.origin import NotInDoubt, confirm_schedule, doubt_of, doubt_schedule
from slacktide.control.schedule import schedule_of, state_of
from slacktide.control.setting import control_now
from slacktide.control.witness import Witness, witnessed
from slacktide.downtime import decide
from slacktide.postgres import binaries
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server

WHO = {"who": "tester", "reason": "a test"}


@pytest.fixture
def second():
    """Give another embedded server, whose files a test may put back."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-test-"))
    server = Server(folder, settings={"fsync": "off", "restore_command": "false", "recovery_target_timeline": "latest"})
    server.attach()
    yield server
    server.leave()
    server.destroy()


@pytest.fixture
def home(second):
    """Give the address of a control database on that server, with an organization."""
    second.create_database("slacktide")
    address = second.address("slacktide")
    migrate(address=address)
    with connect(address, name="test") as connection:
        add_organization(connection, code="HOTEL", **WHO)
    return address


def dumped(address):
    program = binaries.folder() / "pg_dump"
    return subprocess.run([program, "--dbname", address], capture_output=True, check=True).stdout


def loaded(address, dump):
    program = binaries.folder() / "psql"
    subprocess.run([program, "-q", "-v", "ON_ERROR_STOP=1", address], input=dump, stdout=subprocess.PIPE, check=True)


def answer(connection, action, *, admin=False):
    found = decide(
        action=action,
        schedule=schedule_of(connection),
        now=control_now(connection),
        organization="HOTEL",
        user_is_admin=admin,
    )
    return found.decision, found.code


def closed(connection):
    """Tell that all are out, nothing is written, and an administrator may come in to put it right."""
    return {action: answer(connection, action) for action in ("login", "open_task", "import", "write_interface")} == {
        "login": ("deny", "schedule_unknown"),
        "open_task": ("deny", "schedule_unknown"),
        "import": ("hold", "schedule_unknown"),
        "write_interface": ("hold", "schedule_unknown"),
    } and (answer(connection, "login", admin=True), answer(connection, "change_setting", admin=True)) == (
        ("allow", None),
        ("allow", None),
    )


def test_ones_own_is_open(control):
    """A control database that is where it was made is not in doubt, whatever is done to its tables."""
    control.execute("vacuum full slacktide.origin")
    control.execute("reindex table slacktide.origin")
    assert doubt_of(control) is None
    assert answer(control, "open_task") == ("allow", None)
    with pytest.raises(NotInDoubt):
        confirm_schedule(control, **WHO)


def test_a_dump_beside(control, database, server):
    """A dump that is loaded into another database of the server is closed until it is confirmed, and says why."""
    dump, name = dumped(database), f"{control.info.dbname}_again"
    server.create_database(name)
    loaded(server.address(name), dump)
    with connect(server.address(name), name="test") as restored:
        assert closed(restored)
        state = state_of(restored)
        assert (state.state, "slacktide schedule confirm" in state.because[0].reason) == ("closing", True)
        with pytest.raises(ReasonMissing):
            confirm_schedule(restored, who="ada", reason=" ")
        confirm_schedule(restored, **WHO)
        assert answer(restored, "open_task") == ("allow", None)
    assert doubt_of(control) is None


def test_a_dump_in_its_place(control, database):
    """A dump that is loaded in place of what was there is closed."""
    dump = dumped(database)
    control.execute("drop schema slacktide cascade")
    loaded(database, dump)
    assert closed(control)


def test_a_copy(control, database, server):
    """A copy made by `create database ... template` is closed; the original is not."""
    name = control.info.dbname
    control.close()
    with connect(server.address(), name="copy") as connection:
        connection.execute(f"create database {name}_copy template {name}".encode())
    with connect(server.address(f"{name}_copy"), name="test") as copied, connect(database, name="test") as original:
        assert closed(copied)
        assert doubt_of(original) is None


def test_another_server(control, database, second):
    """A dump that is loaded into another server is closed."""
    second.create_database("slacktide")
    loaded(second.address("slacktide"), dumped(database))
    with connect(second.address("slacktide"), name="test") as restored:
        assert closed(restored)
        assert "another server" in doubt_of(restored).why


def test_a_new_timeline(second, home):
    """A server that goes on from a backup is closed while it recovers, and in its new timeline."""
    second.leave()
    signal = second.cluster / "standby.signal"
    signal.touch()
    owner = second.cluster.stat()
    shutil.chown(signal, owner.st_uid, owner.st_gid)
    second.attach()
    with connect(home, name="test") as restored:
        assert closed(restored)
        assert "may be behind" in doubt_of(restored).why
        restored.execute("select pg_promote()")
        assert closed(restored)
        assert "went on from a backup" in doubt_of(restored).why
        confirm_schedule(restored, **WHO)
        assert doubt_of(restored) is None


def copied(source, target):
    """Copy a folder with its owners."""
    subprocess.run(["/bin/cp", "-a", "--", str(source), str(target)], check=True)


def put_back(server, backup):
    """Put a server's files back."""
    server.leave()
    copied(backup, Path(f"{server.cluster}.new"))
    shutil.rmtree(server.cluster)
    Path(f"{server.cluster}.new").rename(server.cluster)
    server.attach()


def test_files_put_back(second, home, tmp_path):
    """Files put back as they were are noticed by who saw what came after; after the confirmation they are not."""
    second.leave()
    backup, witness = tmp_path / "backup", Witness(tmp_path / "data")
    copied(second.cluster, backup)
    second.attach()
    with connect(home, name="test") as connection:
        schedule_downtime(connection, wish=Wish(until_ended=True), organizations=["HOTEL"], **WHO)
        assert witness.look(connection) is False
    put_back(second, backup)
    with connect(home, name="test") as restored:
        assert doubt_of(restored) is None
        add_organization(restored, code="LATER", **WHO)  # as many entries as before, of another kind
        assert witness.look(restored) is True
        assert closed(restored)
        confirm_schedule(restored, **WHO)
        assert (witness.look(restored), doubt_of(restored)) == (False, None)
    put_back(second, backup)
    with connect(home, name="test") as again:
        assert witness.look(again) is True
        assert closed(again)


def test_the_witness_of_a_process(control, database, tmp_path):
    """A server's or worker's witness notes what comes, and a start after a loss begins closed."""
    with witnessed(database, folder=tmp_path):
        add_organization(control, code="THIRD", **WHO)
        entry = control.execute("select max(id) from slacktide.audit").fetchone()[0]
    # What was seen last is noted, at the latest by the next start.
    with witnessed(database, folder=tmp_path):
        assert f'"entry":{entry}' in "".join(path.read_text() for path in tmp_path.glob("control-*.json"))
    control.execute("alter table slacktide.audit disable trigger user")
    control.execute("delete from slacktide.audit where id = %s", [entry])
    with witnessed(database, folder=tmp_path):
        assert closed(control)


def test_an_unreadable_note(control, tmp_path):
    """A note that cannot be read closes nobody; a trail whose old end was cut off neither."""
    witness = Witness(tmp_path)
    witness.look(control)
    control.execute("alter table slacktide.audit disable trigger user")
    add_organization(control, code="THIRD", **WHO)
    control.execute("delete from slacktide.audit where object <> 'organization THIRD'")
    assert witness.look(control) is False
    for path in tmp_path.iterdir():
        path.write_text("{")
    assert witness.look(control) is False


def test_said(control):
    """Whoever puts a backup back that nobody can notice says so; what is doubted stays so, and is in the trail."""
    doubt_schedule(control, why="put back from the tape", who="ada")
    assert closed(control)
    doubt_schedule(control, why="again", who="ada")
    assert doubt_of(control).why == "put back from the tape"
    trail = control.execute("select what, reason from slacktide.audit where what like 'schedule%'").fetchall()
    assert trail == [("schedule doubt", "put back from the tape")]
    with pytest.raises(psycopg.errors.RestrictViolation):
        control.execute("delete from slacktide.origin")
