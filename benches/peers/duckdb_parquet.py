"""DuckDB alone, to partitioned Parquet without a table's log: `SOURCE FORMAT
FOLDER`. Not the same work; it shows where the floor is."""

import sys

import duckdb

from peers.clock import timed
from peers.duckdb_delta import source


def work() -> None:
    path, format, folder = sys.argv[1:]
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    db.execute(f"copy (from {source(path, format)}) to '{folder}' (format parquet, partition_by (service_date))")


if __name__ == "__main__":
    timed(work)
