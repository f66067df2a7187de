"""Connections, the embedded server, named SQL, the replication stream."""
