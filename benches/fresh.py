"""From a file in a watched folder to its rows in another process."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import generate
import measure
from lake import Lake, Lakegate

RUNS = 20


def run(lakegate: Lakegate, work: Path, size: float) -> dict:
    n = max(3, int(RUNS * min(1, size * 10)))
    lake = lakegate.lake(work / "fresh", read="csv")
    files = generate.little(work, 2 * n + 1)
    # The table must be there before the reader can watch it.
    lake.land(files[:1])
    lake.run()
    up = subprocess.Popen(lake.command("up"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    reader = subprocess.Popen(
        [sys.executable, "-m", "peers.watch_rows", str(lake.table)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    try:
        seen = generate.VEHICLES
        if wait_for(reader, seen) is None:
            raise RuntimeError("the reader does not see the table")
        time.sleep(1)
        found = {}
        for way, land in (("renamed", by_rename), ("written slowly", slowly)):
            delays = []
            for file in files[1 : n + 1] if way == "renamed" else files[n + 1 :]:
                landed_at = land(lake, file)
                seen += generate.VEHICLES
                visible_at = wait_for(reader, seen)
                if visible_at is None or up.poll() is not None:
                    raise RuntimeError(f"rows of {file.name} did not become visible")
                delays.append(visible_at - landed_at)
            found[way] = {
                "median_s": round(measure.median(delays), 3),
                "worst_s": round(max(delays), 3),
                "all_s": [round(d, 3) for d in delays],
            }
            print(f"  {way:16} median {found[way]['median_s']:.3f} s, worst {found[way]['worst_s']:.3f} s", flush=True)
    finally:
        for process in (up, reader):
            process.terminate()
        for process in (up, reader):
            process.wait(timeout=60)
        shutil.rmtree(lake.folder, ignore_errors=True)
    return {"runs": n, "ways": found}


def by_rename(lake: Lake, file: Path) -> float:
    """Written under a name that is never taken, then renamed."""
    half = lake.landing / f"{file.name}.part"
    shutil.copyfile(file, half)
    half.rename(lake.landing / file.name)
    return time.time()


def slowly(lake: Lake, file: Path) -> float:
    """Written under its own name in five pieces over half a second."""
    data = file.read_bytes()
    piece = len(data) // 5 + 1
    with (lake.landing / file.name).open("wb") as out:
        for start in range(0, len(data), piece):
            out.write(data[start : start + piece])
            out.flush()
            time.sleep(0.1)
    return time.time()


def wait_for(reader: subprocess.Popen, n_rows: int) -> float | None:
    """When the reader saw so many rows; `None` where it gave up."""
    reader.stdin.write(f"{n_rows}\n")
    reader.stdin.flush()
    line = reader.stdout.readline()
    return float(line) if line.strip() else None
