"""What a hotel adds to the move of a property: inventory, rebuilt and held against the source's; contingency pack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.hotel import contingency, inventory, schema
from slacktide.hotel.contingency_pack import Pack

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow


class Hotel:
    """The kind `hotel`."""

    derived = (("hotel", "inventory"),)

    def make_schema(self, *, address: str) -> None:
        """Make the hotel's schema in an empty database."""
        schema.create(address=address)

    def contingency(self, source: psycopg.Connection[TupleRow], *, property_code: str) -> Pack | None:
        """Read the contingency pack of a property in the connection's snapshot."""
        contents = contingency.read(source, property_code=property_code)
        return None if contents is None else Pack(contents)

    def rebuild(self, target: psycopg.Connection[TupleRow], *, property_code: str) -> int:
        """Rebuild availability per room type and day from what was moved; give the number of lines."""
        return inventory.resync(target, property_code=property_code)

    def clear(self, target: psycopg.Connection[TupleRow], *, property_code: str) -> int:
        """Take the availability away again; give the number of lines."""
        return inventory.clear(target, property_code=property_code)

    def differences(
        self,
        *,
        source: psycopg.Connection[TupleRow],
        target: psycopg.Connection[TupleRow],
        source_property: str,
        target_property: str,
    ) -> list[str]:
        """Hold the target's lines against the source's, and each against what it derives from."""
        here = inventory.kept(source, property_code=source_property)
        there = inventory.kept(target, property_code=target_property)
        return [
            f"{room_type} on {day}: source {here.get((room_type, day))}, target {there.get((room_type, day))}"
            for room_type, day in sorted(here.keys() | there.keys())
            if here.get((room_type, day)) != there.get((room_type, day))
        ] + [str(difference) for difference in inventory.differences(target, property_code=target_property)]
