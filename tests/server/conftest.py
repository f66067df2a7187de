"""The fixtures of the gates, whose other end the server is."""

from tests.gates.conftest import control, end, gate_of, hands, plan, served, site, soon, token

__all__ = ["control", "end", "gate_of", "hands", "plan", "served", "site", "soon", "token"]
