"""A plan is read as it is written, and what is wrong with it is said all at once, with file, line and field."""

from __future__ import annotations

import hashlib

import pytest

from slacktide.plan.load import PlanUnreadable, load_plan, load_plan_text
from slacktide.plan.model import Code, Column, Phase, Reference, Unknown
from slacktide.plan.problem import PlanError

BOOKING_TITLE = "title: Bookings"


def problems(text):
    with pytest.raises(PlanError) as caught:
        load_plan_text(text=text, file="shop.yaml")
    return caught.value.errors


def only(text):
    found = problems(text)
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


def line(text, part):
    return text[: text.index(part)].count("\n") + 1


def test_values(shop_plan, shop_text):
    """Every value of the file stands in the plan, and the checksum is that of its text."""
    plan = shop_plan()
    booking = plan.entity["booking"]
    assert (plan.name, plan.version) == ("shop", 3)
    assert plan.checksum == hashlib.sha256(shop_text().encode()).hexdigest()
    assert booking.phase is Phase.ONLINE
    assert booking.root.columns[2] == Column(name="number", type="varchar(20)")
    assert booking.root.columns[-1] == Column(name="at", type="timestamptz(3)", nullable=True)
    assert booking.root.codes == (Code(column="tariff_code", list="tariff", mandatory=False),)
    assert booking.root.reference_of["other_id"].unknown is Unknown.LEAVE_NULL
    assert plan.entity["profile"].shared
    assert plan.entity["invoice"].via == "booking_id"
    assert plan.steps[0].entities == ("invoice",)
    assert plan.left_out == {"shop.scratch": "nothing worth keeping"}


def test_order_of_references(shop_plan):
    """What moves stands in the order of references, whatever the order of the file."""
    assert [entity.name for entity in shop_plan().moving] == ["profile", "booking", "invoice"]


def test_part_refers_to_its_root(shop_plan):
    """A part's way to its root is a reference, without being listed."""
    night = shop_plan().table["booking.night"]
    assert night.references == (Reference(column="booking_id", entity="booking", unknown=Unknown.REFUSE),)
    listed = ("root: booking_id", "root: booking_id\n        references: {booking_id: booking}")
    assert shop_plan(listed).table["booking.night"].references == night.references


def test_drawn(shop_plan):
    """A key of one column is drawn, unless it leads somewhere, is configuration, or the plan says otherwise."""
    plan = shop_plan()
    assert plan.entity["booking"].root.drawn
    assert not plan.table["booking.night"].drawn
    assert not plan.entity["tariff"].root.drawn
    assert not shop_plan(("key: [booking_id, stay]", "key: booking_id")).table["booking.night"].drawn
    assert not shop_plan(("key: profile_id", "key: profile_id\n    drawn: false")).entity["profile"].root.drawn


def test_scalars_stay_text(shop_plan):
    """A value that YAML would read as a truth value, a number or a date stays the text that stands there."""
    plan = shop_plan((BOOKING_TITLE, "title: no"), ("[door locks]", "[2026-01-01, 007]"))
    assert plan.entity["booking"].title == "no"
    assert plan.partners == ("2026-01-01", "007")


def test_lines(shop_plan, shop_text):
    """The line of every field is kept for errors that show only against a database."""
    assert shop_plan().lines["entities.booking.columns.tariff_code"] == line(shop_text(), "tariff_code: text?")


def test_all_errors_at_once(shop_text):
    """Errors in different places come together, in the order of the lines, and read as one sentence."""
    text = shop_text(("version: 3", "version: three"), (BOOKING_TITLE, "titel: Bookings"), ("[invoice]", "[inwoice]"))
    found = problems(text)
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)
    assert {"version", "entities.booking.titel", "steps.invoices.entities"} <= {problem.field for problem in found}
    with pytest.raises(PlanError, match=r"shop.yaml:2: version: 'three' is not a whole number"):
        load_plan_text(text=text, file="shop.yaml")


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("plan: shop", "plan: my shop", "plan", "is no name"),
        ("zone: zone", "zone: [zone]", "property.zone", "a text is expected"),
        ("  end_of_day: closing", "", "property", "'end_of_day' is missing"),
        ("phase: down time", "phase: downtime", "entities.invoice.phase", "did you mean 'down time'"),
        ("shared: true", "shared: yes", "entities.profile.shared", "neither true nor false"),
        ("table: shop.night", "table: night", "entities.booking.parts.night.table", "schema.table"),
        ("        key: [booking_id, stay]\n", "", "entities.booking.parts.night", "'key' is missing"),
        ("roles: [operations]", "rolls: [operations]", "rolls", "did you mean 'roles'"),
        ("email: text?", "email: 'text; drop'", "entities.profile.columns.email", "not the name of a type"),
        ("email: text?", "email:", "entities.profile.columns.email", "a text is expected"),
        ("unknown: leave null", "unknown: forget", "entities.booking.references.other_id.unknown", "choices"),
        ("email: text?", "name: text", "entities.profile.columns.name", "stands here again"),
        (
            "email: text?",
            "email: &kind text?\n      mail: *kind",
            "entities.profile.columns.mail",
            "an alias",
        ),
        ("    mend: settle it\n", "", "checks.open", "'mend' is missing"),
        ("roles: [operations]", "counters: shop.series", "counters", "stands here again"),
        ("left_out:\n      search: made from the name", "codes: name", "entities.profile.codes", "`name: value`"),
        ("      search: made", "      [search]: made", "entities.profile.left_out", "a name is a text"),
    ],
)
def test_refused(shop_text, old, new, field, said):
    """What cannot be read is named with its field and the line where it stands."""
    text = shop_text((old, new))
    found = only(text)
    assert (found.file, found.field) == ("shop.yaml", field)
    assert said in found.message
    last = field.rpartition(".")[2]
    assert last in text.splitlines()[found.line - 1] or "missing" in said or said == "a name is a text"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("plan: [shop", 1),
        ("plan: shop\nversion: 1: 2", 2),
        ("plan: shop\nkind: \x01", 2),
        ("plan: shop\n---\nplan: other", 2),
        ("plan: shop\nkind: " + "[" * 100_000, 2),
    ],
)
def test_not_yaml(text, at):
    """What is no YAML, or nested without end, is refused with its line alone."""
    assert only(text).line in {at, at + 1}


def test_not_a_mapping():
    """A file that holds no fields says what is missing."""
    assert "'entities'" in " ".join(problem.message for problem in problems("- plan"))
    assert any("'plan' is missing" in problem.message for problem in problems(""))


def test_unreadable(tmp_path):
    """A file that is not there, or not UTF-8, is refused by name."""
    with pytest.raises(PlanUnreadable, match="No such file"):
        load_plan(path=tmp_path / "none.yaml")
    other = tmp_path / "latin.yaml"
    other.write_bytes("plan: caf\xe9".encode("latin-1"))
    with pytest.raises(PlanUnreadable, match="UTF-8"):
        load_plan(path=other)


def test_file(tmp_path, shop_text):
    """A plan is read from its file and remembers it."""
    path = tmp_path / "shop.yaml"
    path.write_text(shop_text(), encoding="utf-8")
    assert load_plan(path=path).file == str(path)


def test_documented_example():
    """The example in the documentation is a plan."""
    from pathlib import Path  # noqa: PLC0415 -- here only

    page = Path(__file__).parents[2] / "docs" / "reference" / "plan.md"
    example = page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    assert load_plan_text(text=example, file="plan.md").name == "hotel"
