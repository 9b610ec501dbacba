"""A month of feeds, with time compressed: files that polls would have left are
landed one simulated stretch after the other, as fast as they are taken. Each
answer is a commit of its own, as it is under `up`; compaction follows each
stretch and the bundling of raw bytes each simulated hour.

What is compressed is the waiting alone: the rows' times are those of the month.
"""

from __future__ import annotations

import datetime
import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import measure
from lake import Lakegate

DATASET = """\
team: transit
read: csv
after: delete
settle: 0s
partition_by: day(timestamp)
columns: { vehicle_id: string, route_id: string, timestamp: timestamp, latitude: float, longitude: float }
dedupe: { key: [vehicle_id, timestamp], by: timestamp }
"""
#: Each file is a commit, and raw bytes of any age are bundled: an hour of the
#: simulated clock is seconds of the machine's.
SETTINGS = "lake: month\nbatch: { files: 1 }\n"
COMPRESSED = {"LAKEGATE_BUNDLE_AGE_S": "0"}

VEHICLES = 50
#: A vehicle that stands still reports its last time again.
STANDS_STILL = 0.5
#: What `up` would take between two looks at the tables.
POLLS_PER_RUN = 10
START = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)


@dataclass
class Size:
    feeds: int
    days: int
    polls_per_hour: int

    @staticmethod
    def of(size: float) -> "Size":
        """`LAKEGATE_BENCH_MONTH=FEEDSxDAYSxPOLLS_PER_HOUR`, or a share of 20x30x120."""
        said = os.environ.get("LAKEGATE_BENCH_MONTH")
        if said:
            return Size(*(int(n) for n in said.split("x")))
        return Size(max(1, round(20 * min(1, size * 10))), max(2, round(30 * size)), 120)


class Feed:
    """Vehicles that move or stand still; counts the rows that are to stay."""

    def __init__(self, name: str, seed: int):
        self.name = name
        self.random = random.Random(seed)
        self.last = [""] * VEHICLES
        self.n_rows = 0

    def answer(self, now: datetime.datetime) -> str:
        lines = ["vehicle_id,route_id,timestamp,latitude,longitude"]
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        for vehicle in range(VEHICLES):
            if not self.last[vehicle] or self.random.random() >= STANDS_STILL:
                self.last[vehicle] = stamp
                self.n_rows += 1
            where = f"{40 + self.random.random():.6f},{-74 + self.random.random():.6f}"
            lines.append(f"v{vehicle},r{vehicle % 7},{self.last[vehicle]},{where}")
        return "\n".join(lines) + "\n"


def run(lakegate: Lakegate, work: Path, size: float) -> dict:
    wanted = Size.of(size)
    folder = measure.fresh_folder(work / "month")
    (folder / "datasets").mkdir()
    (folder / "lake.yaml").write_text(SETTINGS)
    feeds = [Feed(f"feed_{n:02}", n) for n in range(wanted.feeds)]
    for feed in feeds:
        (folder / f"datasets/{feed.name}.yaml").write_text(DATASET)
        (folder / f"landing/transit/{feed.name}").mkdir(parents=True)

    def command(*args: str) -> measure.Measured:
        return measure.child([str(lakegate.binary), "--lake", str(folder), "--quiet", *args], environment=COMPRESSED)

    days = []
    every = datetime.timedelta(seconds=3600 / wanted.polls_per_hour)
    now = START
    for day in range(wanted.days):
        run_s = maintain_s = 0.0
        peak_mib = 0.0
        most_raw = 0
        for _ in range(24):
            left = wanted.polls_per_hour
            while left > 0:
                for _ in range(min(left, POLLS_PER_RUN)):
                    for feed in feeds:
                        landing = folder / f"landing/transit/{feed.name}"
                        name = now.strftime("%Y%m%dT%H%M%S.csv")
                        (landing / f".{name}").write_text(feed.answer(now))
                        (landing / f".{name}").rename(landing / name)
                    now += every
                left -= POLLS_PER_RUN
                ran = command("run")
                run_s += ran.seconds
                peak_mib = max(peak_mib, ran.peak_mib)
            most_raw = max(most_raw, n_files(folder / "lake/raw"))
            maintain_s += command("maintain").seconds
        polls = 24 * wanted.polls_per_hour * wanted.feeds
        found = {
            "day": day + 1,
            **live_files(folder, feeds),
            "raw_files": n_files(folder / "lake/raw"),
            "raw_files_most": most_raw,
            "ledger_mib": round((folder / "lake/state/lakegate.db").stat().st_size / 2**20, 1),
            "per_poll_ms": round(1000 * run_s / polls, 2),
            "maintain_s": round(maintain_s / 24, 2),
            "peak_mib": round(peak_mib),
        }
        days.append(found)
        print(f"  {found}", flush=True)
    for feed in feeds:
        n = measure.n_rows(folder / f"lake/tables/transit/{feed.name}/{feed.name}")
        if n != feed.n_rows:
            raise RuntimeError(f"{feed.name} holds {n} rows, not {feed.n_rows}: the figures are worth nothing")
    proved = time.perf_counter()
    command("prove")
    proved = time.perf_counter() - proved
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "feeds": wanted.feeds,
        "polls_per_hour": wanted.polls_per_hour,
        "vehicles": VEHICLES,
        "n_polls": wanted.feeds * wanted.days * 24 * wanted.polls_per_hour,
        "n_rows": sum(feed.n_rows for feed in feeds),
        "prove_s": round(proved, 1),
        "days": days,
    }


def n_files(folder: Path) -> int:
    return sum(1 for f in folder.rglob("*") if f.is_file())


def live_files(folder: Path, feeds: list[Feed]) -> dict:
    """Live data files of a feed's table for one day: the most of any, and of those
    that are over the mean."""
    import deltalake

    counts: dict[tuple[str, str], int] = {}
    for feed in feeds:
        table = deltalake.DeltaTable(folder / f"lake/tables/transit/{feed.name}/{feed.name}")
        for file in table.file_uris():
            day = next(part for part in file.split("/") if part.startswith("timestamp_day="))
            counts[feed.name, day] = counts.get((feed.name, day), 0) + 1
    return {
        "live_files": sum(counts.values()),
        "live_files_per_day_most": max(counts.values()),
        "live_files_per_day_mean": round(sum(counts.values()) / len(counts), 1),
    }
