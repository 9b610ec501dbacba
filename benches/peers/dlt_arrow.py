"""dlt with a reader of one's own that yields Arrow tables: `FOLDER OUTPUT`."""

import sys

import dlt
import pyarrow.csv as csv
from dlt.sources.filesystem import filesystem

from peers.batch_job import OPTIONS
from peers.clock import timed
from peers.dlt_csv import pipeline


@dlt.transformer
def read_arrow(items):
    for item in items:
        with item.open() as file:
            yield csv.read_csv(file, convert_options=OPTIONS)


def work() -> None:
    folder, output = sys.argv[1:]
    files = filesystem(bucket_url=f"file://{folder}", file_glob="*.csv")
    rows = (files | read_arrow()).with_name("positions")
    rows.apply_hints(columns={"service_date": {"partition": True}})
    pipeline(output).run(rows, table_format="delta")


if __name__ == "__main__":
    timed(work)
