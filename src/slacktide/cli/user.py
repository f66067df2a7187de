"""`slacktide user`: who works with the system, and who administers it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Flag, Shown, table
from slacktide.control.database import open_control
from slacktide.control.user import Change, User, add_user, change_user, list_users
from slacktide.core.errors import UsageError

if TYPE_CHECKING:
    from slacktide.control.user import RoleName

_ROLES: dict[str, RoleName | None] = {"": "user", "user": "user", "admin": "administrator", "none": None}


class BadUserOrganization(UsageError):
    """{text!r} is no organization of a user: write CODE, or CODE:admin for its administrator; with `change` also CODE:none to take it away."""  # noqa: E501 -- the message is one sentence


class NoPasswordFile(UsageError):
    """The file {file} with the password cannot be read ({reason}): give one whose first line is the password."""


class NothingNamed(UsageError):
    """Nothing to change was named: `slacktide user change {name} --admin --organization CODE --password-file F --email A`."""  # noqa: E501 -- the message is one sentence


app = App(name="user", help="Users: who works with the system, and who administers it.")

_Name = Annotated[str, Parameter(name="NAME", help="The user's name.")]
_Organizations = Annotated[
    tuple[str, ...],
    Parameter(
        consume_multiple=True,
        negative="",
        show_default=False,
        help="Works for this organization; CODE:admin administers it; CODE:none: no more.",
    ),
]
_Password = Annotated[Path | None, Parameter(help="A file whose first line is the password.")]
_Email = Annotated[str | None, Parameter(help="The address for mails.")]


@app.command
def add(
    name: _Name,
    /,
    *,
    admin: Annotated[Flag, Parameter(help="Administers the whole site.")] = False,
    organization: _Organizations = (),
    password_file: _Password = None,
    email: _Email = None,
    options: Acting = ACTING,
) -> int:
    """Add a user."""
    change = Change(
        admin=admin, email=email, password=_password(password_file), organizations=_organizations(organization)
    )
    with open_control() as control, control.connect(name="user add") as connection:
        user = add_user(connection, name=name, change=change, who=options.who, reason=options.reason or "")
    return options.say(user, lambda: _table([user]))


@app.command(name="list")
def list_(*, options: Shown = SHOWN) -> int:
    """List all users."""
    with open_control() as control, control.connect(name="user list") as connection:
        found = list_users(connection)
    return options.say(found, lambda: _table(found))


@app.command
def change(
    name: _Name,
    /,
    *,
    admin: Annotated[
        bool | None, Parameter(negative="--no-admin", show_default=False, help="Administers the whole site, or not.")
    ] = None,
    organization: _Organizations = (),
    password_file: _Password = None,
    email: _Email = None,
    enable: Annotated[Flag, Parameter(help="Enable one that was disabled.")] = False,
    options: Acting = ACTING,
) -> int:
    """Change a user; what is left out stays as it is."""
    wanted = Change(
        admin=admin,
        email=email,
        password=_password(password_file),
        organizations=_organizations(organization),
        disabled=False if enable else None,
    )
    if wanted == Change():
        raise NothingNamed(name=name)
    return _change(name, wanted, options)


@app.command
def disable(name: _Name, /, *, options: Acting = ACTING) -> int:
    """Disable a user: it has no rights any more."""
    return _change(name, Change(disabled=True), options)


def _change(name: str, wanted: Change, options: Acting) -> int:
    with open_control() as control, control.connect(name="user change") as connection:
        user = change_user(connection, name=name, change=wanted, who=options.who, reason=options.reason or "")
    return options.say(user, lambda: _table([user]))


def _organizations(given: tuple[str, ...]) -> dict[str, RoleName | None]:
    found: dict[str, RoleName | None] = {}
    for text in given:
        code, _, role = text.partition(":")
        if not code or role not in _ROLES:
            raise BadUserOrganization(text=text)
        found[code] = _ROLES[role]
    return found


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NoPasswordFile(file=file, reason=" ".join(str(error).split())) from error
    return lines[0] if lines else ""


def _table(found: list[User]) -> str:
    rows = [
        [
            user.name,
            _kind(user),
            ", ".join(f"{code} ({role})" for code, role in user.organizations.items()),
            user.email or "",
        ]
        for user in found
    ]
    return table(rows, head=["name", "role", "organizations", "e-mail"])


def _kind(user: User) -> str:
    return "disabled" if user.disabled else "administrator" if user.admin else "user"


def _works_for(user: User) -> str:
    return ", ".join(f"{code} ({role})" for code, role in user.organizations.items())
