"""One large file into a Delta table that is partitioned by service date."""

from __future__ import annotations

import shutil
from pathlib import Path

import generate
import measure
from lake import Lakegate

RUNS = 3
PEERS = {
    "DuckDB + delta-rs": "duckdb_delta",
    "Polars + delta-rs": "polars_delta",
    "DuckDB to Parquet, no table": "duckdb_parquet",
}


def run(lakegate: Lakegate, work: Path, size: float) -> dict:
    paths, n = generate.big(work, size)
    formats = {}
    for format, path in paths.items():
        measure.warm([path])
        contenders: dict[str, list[measure.Measured]] = {"lakegate": []} | {name: [] for name in PEERS}
        out_mib = {}
        # In turn, so that a slow spell of the machine falls on all of them.
        for _ in range(RUNS):
            contenders["lakegate"].append(load(lakegate, work / "bulk", format, path, n, out_mib))
            for name, module in PEERS.items():
                target = work / "bulk"
                shutil.rmtree(target, ignore_errors=True)
                contenders[name].append(measure.peer(module, path, format, target))
                if module != "duckdb_parquet" and measure.n_rows(target) != n:
                    raise RuntimeError(f"{name} wrote another number of rows")
                out_mib[name] = measure.size_mib(target)
                print(f"  {format:8} {name:28} {contenders[name][-1].seconds:8.2f} s", flush=True)
        formats[format] = {
            "source_mib": round(path.stat().st_size / 2**20),
            "contenders": {
                name: {
                    "median_s": round(measure.median(m.seconds for m in all_of_them), 2),
                    "all_s": [round(m.seconds, 2) for m in all_of_them],
                    "peak_mib": round(max(m.peak_mib for m in all_of_them)),
                    "table_mib": round(out_mib[name]),
                }
                for name, all_of_them in contenders.items()
            },
        }
    shutil.rmtree(work / "bulk", ignore_errors=True)
    return {"n_rows": n, "runs": RUNS, "formats": formats}


def load(lakegate: Lakegate, folder: Path, format: str, path: Path, n: int, out_mib: dict) -> measure.Measured:
    lake = lakegate.lake(folder, read=format)
    lake.land([path])
    measured = lake.run()
    lake.expect_rows(n)
    out_mib["lakegate"] = measure.size_mib(lake.table)
    print(f"  {format:8} {'lakegate':28} {measured.seconds:8.2f} s  {measured.peak_mib:6.0f} MiB", flush=True)
    return measured
