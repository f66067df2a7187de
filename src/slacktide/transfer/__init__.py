"""The four processes: batch, message, spool, journal."""
