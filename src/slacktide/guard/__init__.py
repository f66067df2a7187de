"""The database guard: function, triggers, locks, closing, quiet, holders."""
