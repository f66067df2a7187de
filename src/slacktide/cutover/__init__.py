"""The System Down Time: check, step, monitor, open."""
