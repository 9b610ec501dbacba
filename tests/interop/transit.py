"""Feeds against other programs.

The twelve polls of a subway feed are replayed on loopback, with every third
answer given twice, and polled by lakegate; rows, trips and stop times are
counted by the GTFS-Realtime bindings of MobilityData, and must be the same. The
example of six agencies is polled from its simulator, and its tables are read by
the four readers of `interop.py`.
"""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

from google.transit import gtfs_realtime_pb2

DATASET = """\
team: transit
feed: {{ url: '{url}', every: 1s, retries: 0 }}
read: gtfs_rt
tables:
  vehicles:
    from: vehicle
    dedupe: {{ key: [trip_id, start_date, timestamp], by: feed_timestamp, window: 2h }}
  trips: {{ from: trip_update }}
  stops: {{ from: stop_time_update }}
"""


class Replayed:
    """An endpoint on loopback that answers what it is told to."""

    def __init__(self) -> None:
        outer = self
        self.body = b""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ace.pb"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Replayed":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def expected(files: list[Path]) -> dict[str, object]:
    """What the other library finds in the files."""
    counts = {"vehicles": 0, "trips": 0, "stops": 0, "arrivals": 0}
    distinct = set()
    for file in files:
        message = gtfs_realtime_pb2.FeedMessage()
        message.ParseFromString(file.read_bytes())
        for entity in message.entity:
            if entity.HasField("vehicle"):
                v = entity.vehicle
                counts["vehicles"] += 1
                distinct.add((v.trip.trip_id, v.trip.start_date, v.timestamp))
            if entity.HasField("trip_update"):
                counts["trips"] += 1
                counts["stops"] += len(entity.trip_update.stop_time_update)
                counts["arrivals"] += sum(s.arrival.time for s in entity.trip_update.stop_time_update)
    return counts | {"distinct": len(distinct)}


def replay(binary: Path, data: Path, lake: Path) -> tuple[dict[str, object], dict[str, object]]:
    """What lakegate's tables hold of the replayed feed, and what they should."""
    files = sorted((data / "gtfs_rt/nyct_ace").glob("*.pb"))

    def lakegate(*args: str) -> str:
        done = subprocess.run([binary, "--lake", lake, *args], capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise RuntimeError(f"lakegate {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    with Replayed() as feed:
        (lake / "datasets").mkdir(parents=True)
        (lake / "lake.yaml").write_text("lake: subway\n")
        (lake / "datasets/ace.yaml").write_text(DATASET.format(url=feed.url))
        n_identical = 0
        for n, file in enumerate(files):
            feed.body = file.read_bytes()
            polled = json.loads(lakegate("poll", "--json"))
            if n % 3 == 0:
                polled += json.loads(lakegate("poll", "--json"))
            n_identical += sum(p["identical"] for p in polled)
            # Loaded one by one, several at a time, and some only at the end.
            if n % 4 == 1:
                lakegate("run", "--json")
        feed.body = files[-1].read_bytes()
        lakegate("run", "--json")
    lakegate("prove", "--json")
    table = "select count(*) as n from transit.ace."
    one = lambda sql: json.loads(lakegate("sql", sql, "--format", "json"))[0]
    found = {
        "vehicles": one("select sum(n_read) as n from system.file_tables where table_name like '%vehicles'")["n"],
        "trips": one(table + "trips")["n"],
        "stops": one(table + "stops")["n"],
        "arrivals": one("select sum(to_unixtime(arrival_time)) as n from transit.ace.stops")["n"],
        "distinct": one(table + "vehicles")["n"],
        "identical": n_identical,
        "files": one("select count(*) as n from system.files where state = 'committed'")["n"],
    }
    return found, expected(files) | {"identical": (len(files) + 2) // 3, "files": len(files)}


class Simulated:
    """The simulator of the example, on a port that the system chose."""

    def __init__(self, binary: Path) -> None:
        self.process = subprocess.Popen(
            [binary, "simulate", "feeds", "--listen", "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, text=True
        )
        self.address = json.loads(self.process.stdout.readline())["url"].removeprefix("http://")

    def __enter__(self) -> "Simulated":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)

    def lake(self, example: Path, lake: Path) -> None:
        """Copies the example, with the simulator's address in it."""
        shutil.copytree(example, lake, ignore=shutil.ignore_patterns("lake", "landing"))
        for file in (lake / "datasets").glob("*.yaml"):
            file.write_text(file.read_text().replace("127.0.0.1:8085", self.address))
