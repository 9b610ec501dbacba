"""An hour of one route over HTTP, many times a second, from a large table, while
feeds are polled and loaded by the same process."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import measure
from lake import Lakegate

ROWS = 50_000_000
DAYS = 30
ROUTES = 200
RATE = 200
SECONDS = 60
CONNECTIONS = 32
START = datetime.date(2026, 3, 1)

#: The large table, and beside it feeds that are polled every few seconds.
PAST = """\
team: transit
timezone: UTC
read: parquet
after: delete
partition_by: day(timestamp)
sort_by: [route_id, timestamp]
columns:
  { vehicle_id: string, route_id: string, timestamp: timestamp, latitude: float, longitude: float, bearing: float }
publish: { route: route_id, time: timestamp, vehicle: vehicle_id, latitude: latitude, longitude: longitude }
"""
POLLED = """\
team: transit
timezone: America/New_York
feed: {{ url: 'http://{address}/harbor/vehicles.pb?n={n}', every: 5s }}
read: gtfs_rt
tables:
  vehicles: {{ from: vehicle, partition_by: day(timestamp) }}
"""
N_POLLED = 5


def run(lakegate: Lakegate, work: Path, size: float) -> dict:
    folder = measure.fresh_folder(work / "serve")
    (folder / "datasets").mkdir()
    (folder / "lake.yaml").write_text("lake: bench\n")
    (folder / "datasets/past.yaml").write_text(PAST)
    landing = folder / "landing/transit/past"
    landing.mkdir(parents=True)
    rows = round(ROWS * size)
    command = [str(lakegate.binary), "--lake", str(folder), "--quiet"]
    for day in range(DAYS):
        # A day at a time: room for one file in the landing folder is enough.
        make_day(landing / f"{day:02}.parquet", START + datetime.timedelta(days=day), rows // DAYS, day)
        measure.child([*command, "run"])
    with contextlib.ExitStack() as stack:
        simulator = start(stack, [str(lakegate.binary), "simulate", "feeds", "--listen", "127.0.0.1:0"])
        for n in range(N_POLLED):
            (folder / f"datasets/polled_{n}.yaml").write_text(POLLED.format(address=simulator.address, n=n))
        up = start(stack, [*command, "up", "--listen", "127.0.0.1:0", "--per-minute", "0"])
        watch = measure.PeakWatch(up.process.pid)
        time.sleep(10)
        begun = cpu_s(up.process.pid)
        found = asyncio.run(load(up.address, RATE, SECONDS if size == 1 else 10))
        used = cpu_s(up.process.pid) - begun
        watch.stop()
    n_polls = json.loads(measure.child([*command, "sql", "select count(*) as n from system.polls", "--format", "json"]).out)
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "n_rows": rows,
        "rate": RATE,
        "n_polls": n_polls[0]["n"],
        "cpu_share": round(used / found["took_s"], 2),
        "peak_mib": round(watch.peak_kib / 1024),
        **found,
    }


def make_day(path: Path, day: datetime.date, n: int, seed: int) -> None:
    """Rows of one day, in the order of time as a feed brings them."""
    import numpy
    import pyarrow
    import pyarrow.parquet

    rng = numpy.random.default_rng(seed)
    start = int(datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.timezone.utc).timestamp())
    route = rng.integers(0, ROUTES, n)
    vehicle = route * 20 + rng.integers(0, 20, n)
    table = pyarrow.table(
        {
            "vehicle_id": pyarrow.array([f"v{i}" for i in range(ROUTES * 20)]).take(pyarrow.array(vehicle)),
            "route_id": pyarrow.array([f"r{i}" for i in range(ROUTES)]).take(pyarrow.array(route)),
            "timestamp": pyarrow.array(
                (start * 1_000_000 + numpy.sort(rng.integers(0, 86_400, n)) * 1_000_000), pyarrow.timestamp("us", "UTC")
            ),
            "latitude": 40 + rng.random(n).round(6),
            "longitude": -74 + rng.random(n).round(6),
            "bearing": rng.integers(0, 360, n).astype(float),
        }
    )
    pyarrow.parquet.write_table(table, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


class Started:
    def __init__(self, process: subprocess.Popen, address: str):
        self.process, self.address = process, address


def start(stack: contextlib.ExitStack, command: list[str]) -> Started:
    """A server, until the stack is left; it says where it listens."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def stop() -> None:
        process.terminate()
        process.wait(timeout=60)

    stack.callback(stop)
    for line in process.stdout:
        if said := re.search(r"127\.0\.0\.1:\d+", line):
            return Started(process, said[0])
    raise RuntimeError(f"{command} does not say where it listens")


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, user and system."""
    import os

    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(address: str, rate: int, seconds: int) -> dict:
    """Asks at a fixed rate, whether or not earlier answers have come: a slow
    answer does not hide the waiting of those behind it."""
    rng = random.Random(1)
    host, port = address.split(":")
    due: asyncio.Queue = asyncio.Queue()
    delays, n_rows, failures = [], 0, []

    async def client() -> None:
        nonlocal n_rows
        reader, writer = await asyncio.open_connection(host, int(port))
        while True:
            item = await due.get()
            if item is None:
                break
            at, path = item
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n\r\n".encode())
            await writer.drain()
            status, body = await answer(reader)
            delays.append(time.monotonic() - at)
            if status != 200:
                failures.append((status, body[:200]))
            n_rows += body.count(b'"vehicle_id"')
        writer.close()

    clients = [asyncio.create_task(client()) for _ in range(CONNECTIONS)]
    begun = time.monotonic()
    n = rate * seconds
    for i in range(n):
        at = begun + i / rate
        await asyncio.sleep(max(0, at - time.monotonic()))
        day = START + datetime.timedelta(days=rng.randrange(DAYS))
        path = f"/feeds/past/routes/r{rng.randrange(ROUTES)}/{day:%Y/%m/%d}/{rng.randrange(24):02}"
        due.put_nowait((at, path))
    for _ in clients:
        due.put_nowait(None)
    done = await asyncio.gather(*clients, return_exceptions=True)
    for broken in done:
        if broken is not None:
            raise RuntimeError(f"a client broke off: {broken!r}")
    if failures:
        raise RuntimeError(f"{len(failures)} of {n} answers were no answers, the first {failures[0]}")
    delays.sort()
    of = lambda share: round(delays[min(len(delays) - 1, int(len(delays) * share))] * 1000, 1)  # noqa: E731
    return {
        "took_s": round(time.monotonic() - begun, 2),
        "n_requests": n,
        "rows_per_answer": round(n_rows / n),
        "p50_ms": of(0.5),
        "p90_ms": of(0.9),
        "p99_ms": of(0.99),
        "worst_ms": of(1),
    }


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of one HTTP/1.1 answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = int(head.split(" ", 2)[1])
    if "transfer-encoding: chunked" in head:
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return status, body
    length = re.search(r"content-length: (\d+)", head)
    return status, await reader.readexactly(int(length[1])) if length else b""
