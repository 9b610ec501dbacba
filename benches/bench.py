"""The benchmarks: runs the parts that are asked for, prints what they found, and
keeps it in docs/benchmarks.json and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import bulk
import feeds
import fresh
import month
import report
import scale
import serve
import small
import waves
from lake import Lakegate

PARTS = {
    "bulk": bulk.run,
    "small": small.run,
    "scale": scale.run,
    "fresh": fresh.run,
    "serve": serve.run,
    "feeds": feeds.run,
    "tsdat": waves.run,
    "month": month.run,
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("parts", nargs="*", choices=[*PARTS, "all"], default="all", metavar="PART")
    arguments.add_argument("--binary", type=Path, required=True)
    arguments.add_argument("--work", type=Path, required=True, help="where data and lakes are made")
    arguments.add_argument("--docs", type=Path, required=True, help="where the results are kept")
    given = arguments.parse_args()
    wanted = [given.parts] if isinstance(given.parts, str) else given.parts
    # A whole month takes hours: it is run where it is asked for.
    names = [part for part in PARTS if part != "month"] if "all" in wanted else wanted
    size = float(os.environ.get("LAKEGATE_BENCH_SCALE", "1"))
    if size <= 0:
        raise SystemExit("LAKEGATE_BENCH_SCALE must be above 0")

    given.work.mkdir(parents=True, exist_ok=True)
    lakegate = Lakegate(given.binary.resolve())
    machine = report.machine()
    print(f"{lakegate.version}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB")
    for name in names:
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        busy = os.getloadavg()[0]
        result = PARTS[name](lakegate, given.work, size)
        record = {
            "part": name,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "command": f"benches/run.sh {name}",
            "lakegate": lakegate.version,
            "peers": report.peers(),
            "machine": machine,
            "load_before": round(busy, 1),
            "took_s": round(time.monotonic() - started),
            **result,
        }
        print("\n".join(report.section(record)))
        if size == 1 or "LAKEGATE_BENCH_MONTH" in os.environ and name == "month":
            report.keep(given.docs, record)
    if size != 1 and names != ["month"]:
        print("\nLAKEGATE_BENCH_SCALE is not 1: nothing was kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
