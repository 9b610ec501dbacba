"""A reader in a process of its own: `TABLE`. For each number on its standard
input it reads the table with delta-rs until it counts so many rows, and prints
when that was; it gives up, and ends, after a minute."""

import sys
import time

from deltalake import DeltaTable

POLL_S = 0.01


def main() -> None:
    table = DeltaTable(sys.argv[1])
    for line in sys.stdin:
        deadline = time.monotonic() + 60
        while True:
            table.update_incremental()
            if table.to_pyarrow_dataset().count_rows() >= int(line):
                print(time.time(), flush=True)
                break
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_S)


if __name__ == "__main__":
    main()
