"""The hotel property: schema, plan, loading of real bookings, trader, ledgers, inventory."""
