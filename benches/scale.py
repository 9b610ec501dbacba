"""Whether cost stays flat while a lake grows: by files that it knows, and by
data files that its table holds."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import generate
import measure
from lake import Lake, Lakegate

RUNS = 3
ROWS_EACH = 20
NEW_FILES = 1_000
COMMITS = 100


def run(lakegate: Lakegate, work: Path, size: float) -> dict:
    result = {"new_files": max(20, int(NEW_FILES * size)), "rows_each": ROWS_EACH, "runs": RUNS}
    result["known_files"] = by_known_files(lakegate, work, size, result["new_files"])
    result["live_files"] = by_live_files(lakegate, work, size)
    return result


def by_known_files(lakegate: Lakegate, work: Path, size: float, n_new: int) -> list[dict]:
    """One lake that grows. At each step: what a run without news takes, and what
    a run with `n_new` new files takes."""
    lake = lakegate.lake(work / "scale", read="csv")
    steps = [max(20, int(n * size)) for n in (1_000, 10_000, 100_000)]
    stock = generate.little(work, steps[-1], ROWS_EACH)
    news = iter([generate.little(work, n_new, ROWS_EACH, tag=f"_new{k}") for k in range(RUNS * len(steps))])
    known = 0
    found = []
    n_rows = 0
    for step in steps:
        filled = 0.0
        if step > known:
            lake.land(stock[known:step])
            filled = lake.run().seconds
            n_rows += (step - known) * ROWS_EACH
            known = step
        lake.run()
        idle_s, _ = measure.times(RUNS, lake.run)

        def with_news() -> measure.Measured:
            files = next(news)
            measure.warm(files)
            lake.land(files)
            return lake.run()

        run_s, all_of_them = measure.times(RUNS, with_news)
        n_rows += RUNS * n_new * ROWS_EACH
        lake.expect_rows(n_rows)
        found.append(
            {
                "known": step,
                "filled_s": round(filled, 2),
                "idle_s": round(idle_s, 3),
                "run_s": round(run_s, 3),
                "per_file_ms": round(1000 * (run_s - idle_s) / n_new, 4),
                "peak_mib": round(max(m.peak_mib for m in all_of_them)),
            }
        )
        print(f"  {step:7} known: idle {idle_s:.2f} s, {n_new} new files {run_s:.2f} s", flush=True)
    shutil.rmtree(lake.folder, ignore_errors=True)
    return found


def by_live_files(lakegate: Lakegate, work: Path, size: float) -> list[dict]:
    """Tables with ever more live data files; a commit's cost is the difference
    between many commits and one, so that opening the table does not count."""
    n_commits = max(5, int(COMMITS * min(1, size * 10)))
    found = []
    for live in (10, 100, 1_000, 10_000):
        live = max(2, int(live * size)) if size < 1 else live
        lake = lakegate.lake(
            work / "scale",
            read="csv",
            more="batch: { files: 1 }\nupkeep: { compact_at_files: 1000000, vacuum_after: 90d }\n",
        )
        # One file with a row for each of so many service dates.
        seed = work / "data" / f"live_{live}.csv"
        seed.parent.mkdir(parents=True, exist_ok=True)
        lines = [",".join(generate.COLUMNS)]
        for k in range(live):
            day = f"{1900 + k // 336}-{1 + k // 28 % 12:02}-{1 + k % 28:02}"
            lines.append(f"v1,t-1,r1,0,2026-03-02T00:00:00Z,40.7,-73.9,1,1,s1,EMPTY,{day}")
        seed.write_text("\n".join(lines) + "\n")
        lake.land([seed])
        lake.run()
        n_live = live_files(lake)
        one_s, _ = measure.times(RUNS, lambda: commits(lake, 1))
        many_s, _ = measure.times(RUNS, lambda: commits(lake, 1 + n_commits))
        per_commit_ms = 1000 * (many_s - one_s) / n_commits
        found.append({"live_files": n_live, "one_s": round(one_s, 3), "per_commit_ms": round(per_commit_ms, 2)})
        print(f"  {n_live:6} live data files: {per_commit_ms:.2f} ms a commit", flush=True)
    shutil.rmtree(work / "scale", ignore_errors=True)
    return found


def live_files(lake: Lake) -> int:
    import deltalake

    return len(deltalake.DeltaTable(lake.table).file_uris())


def commits(lake: Lake, n: int) -> measure.Measured:
    """Lands and loads `n` files of one row each, a commit each."""
    first = sum(1 for _ in lake.landing.iterdir())
    for k in range(first, first + n):
        line = f"v{k},t-1,r1,0,2026-03-02T00:00:00Z,40.7,-73.9,1,1,s1,EMPTY,2026-03-02"
        (lake.landing / f"one_{k:08}.csv").write_text(",".join(generate.COLUMNS) + "\n" + line + "\n")
    # They have settled when the run looks at them: waiting is not what is measured.
    time.sleep(0.4)
    return lake.run()
