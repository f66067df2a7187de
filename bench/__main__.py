"""`make bench`: every benchmark, one after the other."""

from __future__ import annotations

import sys

from bench import down_time, gate, initial_pass, memory

if __name__ == "__main__":
    initial_pass.main()
    down_time.main()
    gate.main()
    sys.exit(memory.main())
