"""Vehicle positions, the same on every machine: each value is arithmetic on the
number of its row."""

from __future__ import annotations

from pathlib import Path

import duckdb

COLUMNS = {
    "vehicle_id": "VARCHAR",
    "trip_id": "VARCHAR",
    "route_id": "VARCHAR",
    "direction_id": "BIGINT",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "latitude": "DOUBLE",
    "longitude": "DOUBLE",
    "bearing": "DOUBLE",
    "speed": "DOUBLE",
    "stop_id": "VARCHAR",
    "occupancy_status": "VARCHAR",
    "service_date": "DATE",
}

#: Vehicles that report once a minute.
VEHICLES = 100


def rows(first: str, n: int, per_day: int) -> str:
    """SQL of rows `first` to `first + n`, `per_day` to a service date."""
    return f"""
        select
          'v' || lpad((i % 1200)::varchar, 5, '0') as vehicle_id,
          't-' || lpad(((i * 7919) % 1000000)::varchar, 6, '0') as trip_id,
          'r' || ((i * 31) % 180)::varchar as route_id,
          (i % 2)::bigint as direction_id,
          strftime(timestamp '2026-03-02' + to_seconds((i * 86400) // {per_day}), '%Y-%m-%dT%H:%M:%SZ') as timestamp,
          round(40.55 + ((i * 104729) % 400000) / 1e6, 6) as latitude,
          round(-74.05 + ((i * 15485863) % 350000) / 1e6, 6) as longitude,
          ((i * 17) % 360)::double as bearing,
          round(((i * 13) % 2200) / 100, 2) as speed,
          case when i % 11 = 0 then null else 's' || ((i * 37) % 90000)::varchar end as stop_id,
          ['EMPTY', 'MANY_SEATS_AVAILABLE', 'FEW_SEATS_AVAILABLE', 'STANDING_ROOM_ONLY', 'FULL'][(i % 5) + 1] as occupancy_status,
          (date '2026-03-02' + (i // {per_day})::int)::varchar as service_date
        from range({first}, {first} + {n}) t(i)
    """


def big(work: Path, size: float) -> tuple[dict[str, Path], int]:
    """One file of each format with the same rows, the CSV of at least
    `size` GB; and their number."""
    folder = work / "data"
    folder.mkdir(parents=True, exist_ok=True)
    # A row has about 107 bytes: the CSV is never smaller than asked for.
    n = int(size * 1e9 / 100)
    paths = {format: folder / f"positions_{n}.{format}" for format in ("csv", "ndjson", "parquet")}
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'; set preserve_insertion_order = true")
    options = {"csv": "format csv, header", "ndjson": "format json", "parquet": "format parquet"}
    for format, path in paths.items():
        if path.exists():
            continue
        source = rows("0", n, max(1, n // 10))
        if format == "parquet":
            casts = ", ".join(f'"{c}"::{t} as "{c}"' for c, t in COLUMNS.items())
            source = f"select {casts} from ({source})"
        half = path.with_suffix(".part")
        db.execute(f"copy ({source}) to '{half}' ({options[format]})")
        half.rename(path)
    if paths["csv"].stat().st_size < size * 1e9:
        raise RuntimeError(f"{paths['csv']} is smaller than {size} GB")
    return paths, n


def little(work: Path, n_files: int, rows_each: int = VEHICLES, tag: str = "") -> list[Path]:
    """`n_files` CSV files of `rows_each` rows, a minute each, 1440 to a service
    date. Files of another `tag` hold other rows."""
    folder = work / "data" / f"little_{n_files}_{rows_each}{tag}"
    paths = [folder / f"positions{tag}_{n:07}.csv" for n in range(n_files)]
    if folder.exists() and len(list(folder.iterdir())) == n_files:
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    db = duckdb.connect()
    header = ",".join(COLUMNS) + "\n"
    # Another tag begins where no other does.
    offset = sum(map(ord, tag)) * 1_000_003
    block = 2_000
    for start in range(0, n_files, block):
        n = min(block, n_files - start) * rows_each
        # The row number decides the values; the file's number alone the time.
        sql = rows(str(start * rows_each), n, 1440 * rows_each)
        lines = db.execute(
            f"select concat_ws(',', vehicle_id, trip_id, route_id, direction_id, timestamp, latitude, longitude, "
            f"bearing, speed + {offset % 97}, coalesce(stop_id, ''), occupancy_status, service_date) from ({sql})"
        ).fetchall()
        for k in range(n // rows_each):
            part = lines[k * rows_each : (k + 1) * rows_each]
            paths[start + k].write_text(header + "".join(line + "\n" for (line,) in part))
    return paths
