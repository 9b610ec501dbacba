"""The job that one writes by hand: `FOLDER TABLE`. Reads 100 files with
pyarrow, appends them in one commit with delta-rs, and so on. It remembers
nothing: run again, it loads everything again."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
from deltalake import write_deltalake

from peers.clock import timed

FILES_A_COMMIT = 100
OPTIONS = csv.ConvertOptions(
    column_types={
        "direction_id": pa.int64(),
        "timestamp": pa.timestamp("us", "UTC"),
        "service_date": pa.date32(),
        "bearing": pa.float64(),
        "speed": pa.float64(),
    },
    strings_can_be_null=True,
)


def work() -> None:
    folder, table = sys.argv[1:]
    files = sorted(Path(folder).glob("*.csv"))
    for start in range(0, len(files), FILES_A_COMMIT):
        parts = [csv.read_csv(f, convert_options=OPTIONS) for f in files[start : start + FILES_A_COMMIT]]
        write_deltalake(table, pa.concat_tables(parts), mode="append", partition_by=["service_date"])


if __name__ == "__main__":
    timed(work)
