from __future__ import annotations

import pytest

from slacktide.transfer.configuration import configure
from slacktide.transfer.conversion import (
    BadMappings,
    CodeMapping,
    Conversion,
    UnknownList,
    UnmappedCodes,
    require_mapped,
)
from slacktide.transfer.conversion_file import MappingsUnreadable, read, write
from tests.transfer.moved import moving


@pytest.fixture
def resort(server, tmp_path):
    """Give a move of RESORT whose configuration is copied."""
    move = moving(server, tmp_path)
    configure(move.control, move=move.move)
    yield move
    move.close()


def codes_of(resort):
    return Conversion(resort.control, source=resort.source, target=resort.target, move=resort.move, who="test")


def put(codes, *mappings):
    return codes.put([(f"line {n}: ", CodeMapping(*one)) for n, one in enumerate(mappings, start=1)])


def mapped(codes):
    return {(one.list, one.source_code): one.target_code for one in codes.mappings()}


def state(codes, name, code):
    return next(one for one in codes.in_use() if (one.list, one.code) == (name, code))


def enqueued(resort):
    return set(resort.control.execute("select entity, key from slacktide.journal_object").fetchall())


def begin(resort):
    """Let the move have an incarnation, as after its processes were started."""
    resort.control.execute(
        "insert into slacktide.move_incarnation (move_id, incarnation, slot, consistent_point, reached) "
        "select move_id, 1, 's', '0/1', '0/1' from slacktide.move; update slacktide.move set incarnation = 1"
    )


def test_same_codes_map_to_themselves(resort):
    """After the configuration every code in use is mapped to itself, and nothing is left to do."""
    codes = codes_of(resort)
    assert {one.state for one in codes.in_use()} == {"unmapped"}
    codes.map_same()
    assert {one.state for one in codes.in_use()} == {"mapped"}
    assert all(source == target for (_, source), target in mapped(codes).items())
    assert mapped(codes)["property", "CITY"] == "CITY"
    require_mapped(codes.in_use(), move="resort")
    assert codes.map_same().mappings == []


def test_property_code_becomes_the_targets(server, tmp_path):
    """The property's own code maps to the one that it has at the target."""
    move = moving(server, tmp_path, target_property="PALACE")
    configure(move.control, move=move.move)
    codes = codes_of(move)
    codes.map_same()
    assert mapped(codes)["property", "RESORT"] == "PALACE"
    assert {one.state for one in codes.in_use()} == {"mapped"}
    move.close()


def test_counts_are_the_propertys(resort):
    """A code's count is that of the rows that use it in the property, parts included, and of its shared profiles."""
    found = {(one.list, one.code): one for one in codes_of(resort).in_use()}
    rows = resort.source.execute(
        "select room_type, sum(n) from (select room_type, count(*) n from hotel.reservation "
        "where property_code = 'RESORT' group by 1 union all "
        "select n.room_type, count(*) from hotel.reservation_night n join hotel.reservation r "
        "using (reservation_id) where r.property_code = 'RESORT' group by 1 union all "
        "select b.room_type, count(*) from hotel.block_room b join hotel.block using (block_id) "
        "where block.property_code = 'RESORT' group by 1 union all "
        "select room_type, count(*) from hotel.stay_history where property_code = 'RESORT' group by 1) x group by 1"
    ).fetchall()
    assert {(code, count) for code, count in rows} == {
        (one.code, one.count) for one in found.values() if one.list == "room_type"
    }
    assert found["room_type", rows[0][0]].mandatory
    assert not next(one for one in found.values() if one.list == "country").mandatory


def test_shared_objects_count_where_the_property_refers(resort):
    """A country that only a profile of the other property has is not in use; one of a merged profile of ours is."""
    resort.source.execute("insert into hotel.country values ('QQA'), ('QQB'), ('QQC')")
    lonely, ours, into = (
        resort.source.execute(
            "insert into hotel.profile (kind, last_name, country_code) values ('guest', %s, %s) returning profile_id",
            ["Test", country],
        ).fetchone()[0]
        for country in ("QQA", "QQB", "QQC")
    )
    resort.source.execute(
        "update hotel.reservation set profile_id = %s where reservation_id = "
        "(select min(reservation_id) from hotel.reservation where property_code = 'CITY')",
        [lonely],
    )
    resort.source.execute(
        "update hotel.reservation set profile_id = %s where reservation_id = "
        "(select min(reservation_id) from hotel.reservation where property_code = 'RESORT')",
        [ours],
    )
    resort.source.execute("update hotel.profile set merged_into_id = %s where profile_id = %s", [into, ours])
    used = {one.code: one.count for one in codes_of(resort).in_use() if one.list == "country"}
    assert "QQA" not in used
    assert (used["QQB"], used["QQC"]) == (1, 1)


def test_mandatory_code_without_a_mapping(resort):
    """A mandatory code in use that the target does not have closes the gate; an optional one does not."""
    resort.target.execute("delete from hotel.country where code = 'PRT'")
    codes = codes_of(resort)
    codes.map_same()
    assert state(codes, "country", "PRT").state == "unmapped"
    require_mapped(codes.in_use(), move="resort")
    resort.target.execute("delete from hotel.rate_code where property_code = 'RESORT' and code = 'Transient'")
    count = state(codes, "rate", "Transient").count
    with pytest.raises(UnmappedCodes, match=rf"rate 'Transient' \({count} rows\).*slacktide move convert resort"):
        require_mapped(codes.in_use(), move="resort")
    put(codes, ("rate", "Transient", "Group"))
    require_mapped(codes.in_use(), move="resort")


def test_bad_mappings_are_all_refused(resort):
    """What the target does not have, an unknown list, a double, a mandatory one left out: all named, none written."""
    codes = codes_of(resort)
    with pytest.raises(BadMappings) as refused:
        put(
            codes,
            ("market", "Direct", "Groups"),
            ("market", "Groups", "Moon"),
            ("markt", "Direct", "Groups"),
            ("market", "Direct", "Groups"),
            ("rate", "Group", None),
        )
    for said in (
        "line 2: the target has no code 'Moon'",
        "line 3: the plan has no code list 'markt'",
        "line 4: ",
        "line 5: ",
    ):
        assert said in str(refused.value)
    assert codes.mappings() == []


def test_default_maps_the_rest(resort):
    """A default maps all codes in use without a mapping, and no other; a wrong one leaves everything as it was."""
    codes = codes_of(resort)
    resort.target.execute("delete from hotel.market_code where code in ('Direct', 'Corporate')")
    for wrong, error in (({"markte": "Groups"}, UnknownList), ({"rate": "Moon"}, BadMappings)):
        with pytest.raises(error):
            codes.put([("", CodeMapping("market", "Direct", "Groups"))], defaults={"market": "Groups", **wrong})
    assert codes.mappings() == []
    codes.put([("", CodeMapping("market", "Direct", "Groups"))], defaults={"market": "Online TA"})
    assert mapped(codes)["market", "Direct"] == "Groups"
    assert mapped(codes)["market", "Corporate"] == "Online TA"
    assert {one.state for one in codes.in_use()} == {"mapped"}


def test_changed_mapping_is_read_again(resort):
    """Once the processes have begun, every object that uses a code whose mapping changes is enqueued, and no other."""
    codes = codes_of(resort)
    codes.map_same()
    assert enqueued(resort) == set()
    begin(resort)
    assert put(codes, ("market", "Direct", "Direct")).objects == 0
    assert enqueued(resort) == set()
    changed = put(codes, ("market", "Direct", "Groups"))
    expected = set(
        resort.source.execute(
            "select 'reservation', reservation_id::text from hotel.reservation "
            "where property_code = 'RESORT' and market_code = 'Direct' union all "
            "select 'block', block_id::text from hotel.block where property_code = 'RESORT' and market_code = 'Direct'"
        ).fetchall()
    )
    assert enqueued(resort) == expected
    assert changed.objects == len(expected) > 0


def test_code_of_a_part_is_read_again_by_its_root(resort):
    """A code that a part uses leads to the object; one of an object of another property that is kept counts too."""
    codes = codes_of(resort)
    codes.map_same()
    begin(resort)
    outside = resort.source.execute(
        "select distinct r.reservation_id::text, t.transaction_code from hotel.routing_instruction t "
        "join hotel.reservation r using (reservation_id) where r.property_code = 'CITY' limit 1"
    ).fetchone() or ("0", "1000")
    resort.control.execute(
        "insert into slacktide.outside_object select move_id, 'reservation', %s from slacktide.move", [outside[0]]
    )
    put(codes, ("transaction", outside[1], "7010"))
    expected = set(
        resort.source.execute(
            "select 'reservation', r.reservation_id::text from hotel.routing_instruction t join hotel.reservation r "
            "using (reservation_id) where t.transaction_code = %s "
            "and (r.property_code = 'RESORT' or r.reservation_id = %s) "
            "union select 'folio', folio_id::text from hotel.posting join hotel.folio f using (folio_id) "
            "where transaction_code = %s and f.property_code = 'RESORT' "
            "union select 'deposit', deposit_id::text from hotel.deposit "
            "where transaction_code = %s and property_code = 'RESORT'",
            [outside[1], int(outside[0]), outside[1], outside[1]],
        ).fetchall()
    )
    assert enqueued(resort) == expected


def test_killed_before_reading_again(resort):
    """Codes that a killed command left to be read again are enqueued by the next one, even if it changes nothing."""
    codes = codes_of(resort)
    codes.map_same()
    begin(resort)
    resort.control.execute(
        'update slacktide.move set facts = facts || \'{"codes_to_read_again": [["market", "Direct"]]}\''
    )
    assert codes.map_same().objects > 0
    assert "reservation" in {entity for entity, _ in enqueued(resort)}
    assert resort.move.facts["codes_to_read_again"] == []
    assert codes.map_same().objects == 0


def test_file_in_and_out(resort, tmp_path):
    """What is written can be read again: the mappings that hold, and the codes without one are remarks."""
    codes = codes_of(resort)
    codes.map_same()
    resort.target.execute("delete from hotel.country where code = 'PRT'")
    put(codes, ("country", "GBR", None))
    text = write(codes.mappings(), codes=codes.in_use())
    file = tmp_path / "codes.csv"
    file.write_text(text)
    kept = [one for one in codes.mappings() if one.source_code != "PRT"]
    assert [one for _, one in read(file, move="resort")] == kept
    assert codes.valid_mappings() == kept
    assert "\n#country,PRT," in text
    assert "country,GBR,\n" in text


@pytest.mark.parametrize(
    "text", ["", "a,b\n", "list,source_code,target_code\nmarket,Direct\n", "list,source_code,target_code\n,x,y\n"]
)
def test_unreadable_file(tmp_path, text):
    """A file without the three columns is refused, and told which they are."""
    file = tmp_path / "codes.csv"
    file.write_text(text)
    with pytest.raises(MappingsUnreadable, match="list,source_code,target_code"):
        read(file, move="resort")
