"""Lists of what a profiler of currents writes as columns.

Reads rows as an Arrow IPC stream from standard input: the file's columns, as
text. Writes rows as an Arrow IPC stream to standard output. Needs pyarrow.
"""

import os
import re
import sys

import pyarrow as pa
import pyarrow.compute as pc

rows = pa.ipc.open_stream(sys.stdin.buffer).read_all()


def layers(name: str) -> list[str]:
    """The columns of one quantity, by their layer: `Vel1 (mm/s)`, `Vel2 (mm/s)`, …"""
    found = [(int(m[1]), c) for c in rows.column_names if (m := re.fullmatch(rf"{name}(\d+) \(.*\)", c))]
    return [column for _, column in sorted(found)]


def lists(columns: list[str]) -> pa.Array:
    """One list for each row, with a value for each layer."""
    values = [pc.cast(rows[c].combine_chunks(), pa.float64()).to_pylist() for c in columns]
    return pa.array([list(row) for row in zip(*values)], pa.list_(pa.float64()))


def number(column: str) -> list[float]:
    return pc.cast(rows[column].combine_chunks(), pa.float64()).to_pylist()


n_layers = len(layers("Vel"))
if not n_layers:
    sys.exit(f"{os.environ['LAKEGATE_FILE']} has no column such as `Vel1 (mm/s)`")
print(f"{rows.num_rows} rows, {n_layers} layers", file=sys.stderr)

head, blank, size = number("HeadDepth"), number("BlankingDistance"), number("BinSpacing")
depth = [[h + b + s * (n + 0.5) for n in range(n_layers)] for h, b, s in zip(head, blank, size)]
out = pa.table(
    {
        "DataTimeStamp": rows["DataTimeStamp"],
        "site": rows["site"],
        "depth": pa.array(depth, pa.list_(pa.float64())),
        "current_speed": lists(layers("Vel")),
        "current_direction": lists(layers("Dir")),
    }
)
with pa.ipc.new_stream(sys.stdout.buffer, out.schema) as stream:
    stream.write_table(out)
