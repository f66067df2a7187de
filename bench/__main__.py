"""`make bench`: every benchmark, one after the other."""

from __future__ import annotations

import sys

from bench import down_time, gate, guard, held, initial_pass, memory, race, spool, told

if __name__ == "__main__":
    initial_pass.main()
    spool.main()
    down_time.main()
    held.main([])
    gate.main()
    told.main([])
    guard.main([])
    race.main([])
    sys.exit(memory.main())
