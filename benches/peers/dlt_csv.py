"""dlt with the reader that its filesystem source has: `FOLDER OUTPUT`."""

import sys

import dlt
from dlt.sources.filesystem import filesystem, read_csv

from peers.clock import timed


def pipeline(output: str):
    return dlt.pipeline(
        "bench",
        pipelines_dir=f"{output}/state",
        destination=dlt.destinations.filesystem(f"file://{output}/tables"),
        dataset_name="transit",
        progress=None,
    )


def work() -> None:
    folder, output = sys.argv[1:]
    files = filesystem(bucket_url=f"file://{folder}", file_glob="*.csv")
    rows = (files | read_csv()).with_name("positions")
    rows.apply_hints(columns={"service_date": {"data_type": "text", "partition": True}})
    pipeline(output).run(rows, table_format="delta")


if __name__ == "__main__":
    timed(work)
