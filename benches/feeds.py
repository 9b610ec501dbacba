"""Many feeds on one process: what they take of the processor and of memory."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

import measure
from lake import Lakegate
from serve import cpu_s, start

FEEDS = 1000
EVERY_S = 30
MINUTES = 5
#: The first round begins with a thousand tables that are not there yet.
SETTLE_S = 60

DATASET = """\
team: transit
timezone: America/New_York
feed: {{ url: 'http://{address}/{path}?n={n}', every: {every}s, jitter: {jitter}s }}
read: gtfs_rt
tables:
  vehicles: {{ from: vehicle, partition_by: day(timestamp) }}
"""


def run(lakegate: Lakegate, work: Path, size: float) -> dict:
    folder = measure.fresh_folder(work / "feeds")
    (folder / "datasets").mkdir()
    n_feeds = max(10, round(FEEDS * size))
    seconds = MINUTES * 60 if size == 1 else 60
    (folder / "lake.yaml").write_text("lake: bench\nfeeds: { per_host: { concurrency: 64 } }\n")
    command = [str(lakegate.binary), "--lake", str(folder), "--quiet"]
    with contextlib.ExitStack() as stack:
        simulator = start(stack, [str(lakegate.binary), "simulate", "feeds", "--listen", "127.0.0.1:0"])
        for n in range(n_feeds):
            path = ["harbor/vehicles.pb", "prairie/vehicles.json"][n % 2]
            text = DATASET.format(address=simulator.address, path=path, n=n, every=EVERY_S, jitter=EVERY_S // 2)
            (folder / f"datasets/feed_{n}.yaml").write_text(text)
        up = start(stack, [*command, "up", "--listen", "127.0.0.1:0"])
        watch = measure.PeakWatch(up.process.pid)
        time.sleep(SETTLE_S)
        begun = cpu_s(up.process.pid)
        since = time.time()
        time.sleep(seconds)
        used = cpu_s(up.process.pid) - begun
        watch.stop()
    after = f"started_at >= to_timestamp_micros({int(since * 1e6)}) and started_at < to_timestamp_micros({int((since + seconds) * 1e6)})"
    sql = (
        "select count(*) as polls, count(error) as failed, sum(n_missed) as missed, avg(duration_ms) as mean_ms "
        f"from system.polls where {after}"
    )
    polls = json.loads(measure.child([*command, "sql", sql, "--format", "json"]).out)[0]
    counts = json.loads(measure.child([*command, "sql", "select count(*) as n from system.files where state = 'parked'", "--format", "json"]).out)
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "n_feeds": n_feeds,
        "every_s": EVERY_S,
        "seconds": seconds,
        "cores": round(used / seconds, 2),
        "peak_mib": round(watch.peak_kib / 1024),
        "n_parked": counts[0]["n"],
        **polls,
    }
