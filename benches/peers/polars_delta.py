"""Polars, lazily where it can be: `SOURCE FORMAT TABLE`."""

import sys

import polars as pl

from peers.clock import timed

TYPES = {
    "vehicle_id": pl.String,
    "trip_id": pl.String,
    "route_id": pl.String,
    "direction_id": pl.Int64,
    "timestamp": pl.String,
    "latitude": pl.Float64,
    "longitude": pl.Float64,
    "bearing": pl.Float64,
    "speed": pl.Float64,
    "stop_id": pl.String,
    "occupancy_status": pl.String,
    "service_date": pl.String,
}


def work() -> None:
    path, format, table = sys.argv[1:]
    if format == "parquet":
        frame = pl.scan_parquet(path)
    else:
        frame = pl.scan_csv(path, schema=TYPES) if format == "csv" else pl.scan_ndjson(path, schema=TYPES)
        frame = frame.with_columns(
            pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC"),
            pl.col("service_date").str.to_date("%Y-%m-%d"),
        )
    frame.sink_delta(table, delta_write_options={"partition_by": ["service_date"]})


if __name__ == "__main__":
    timed(work)
