"""Parameter, setting, schedule, decision: pure functions of the facts and the time."""
