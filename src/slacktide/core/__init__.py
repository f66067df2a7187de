"""What everything else stands on: errors, clock, interval, duration, configuration. Knows nothing of ours."""
