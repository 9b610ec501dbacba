"""DuckDB reads, delta-rs writes: `SOURCE FORMAT TABLE`."""

import sys

import duckdb
from deltalake import write_deltalake

from generate import COLUMNS
from peers.clock import timed


def source(path: str, format: str) -> str:
    columns = ", ".join(f"'{c}': '{t}'" for c, t in COLUMNS.items())
    return {
        "csv": f"read_csv('{path}', header = true, columns = {{{columns}}})",
        "ndjson": f"read_json('{path}', format = 'newline_delimited', columns = {{{columns}}})",
        "parquet": f"read_parquet('{path}')",
    }[format]


def work() -> None:
    path, format, table = sys.argv[1:]
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    reader = db.execute(f"select * from {source(path, format)}").to_arrow_reader(200_000)
    write_deltalake(table, reader, partition_by=["service_date"])


if __name__ == "__main__":
    timed(work)
