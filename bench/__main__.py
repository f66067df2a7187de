"""`make bench`: every benchmark, one after the other."""

from __future__ import annotations

import sys

from bench import down_time, gate, held, initial_pass, memory

if __name__ == "__main__":
    initial_pass.main()
    down_time.main()
    held.main([])
    gate.main()
    sys.exit(memory.main())
