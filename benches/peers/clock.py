"""How a peer tells its time."""

from __future__ import annotations

import json
import time


def timed(work) -> None:
    started = time.perf_counter()
    work()
    print(json.dumps({"seconds": time.perf_counter() - started}))
