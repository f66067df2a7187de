"""What the control database keeps: organizations, settings, moves, audit."""
