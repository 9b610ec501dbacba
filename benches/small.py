"""Many small files, each tracked exactly once by lakegate."""

from __future__ import annotations

import shutil
from pathlib import Path

import generate
import measure
from lake import Lakegate

RUNS = 3
#: dlt needs minutes for 10,000 files. It is measured on these shares of them and
#: carried on in a straight line, so that its fixed costs are counted once.
DLT_SHARES = (50, 10)


def run(lakegate: Lakegate, work: Path, size: float) -> dict:
    n_files = max(100, int(10_000 * size))
    files = generate.little(work, n_files)
    few, more = (generate.little(work, max(10 * k, n_files // share)) for k, share in enumerate(DLT_SHARES, 1))
    measure.warm(files + few + more)
    folder = work / "small"
    n_rows = n_files * generate.VEHICLES

    def ours() -> measure.Measured:
        lake = lakegate.lake(folder, read="csv")
        lake.land(files)
        measured = lake.run()
        lake.expect_rows(n_rows)
        return measured

    def by_hand() -> measure.Measured:
        shutil.rmtree(folder, ignore_errors=True)
        measured = measure.peer("batch_job", files[0].parent, folder)
        if measure.n_rows(folder) != n_rows:
            raise RuntimeError("the batch job wrote another number of rows")
        return measured

    def dlt(module: str, some: list[Path]) -> measure.Measured:
        measure.fresh_folder(folder)
        measured = measure.peer(module, some[0].parent, folder)
        if measure.n_rows(folder / "tables/transit/positions") != len(some) * generate.VEHICLES:
            raise RuntimeError("dlt wrote another number of rows")
        return measured

    contenders = {
        "lakegate": (n_files, ours),
        "delta-rs by hand, 100 files a commit": (n_files, by_hand),
    }
    for name, module in (("dlt, read_csv", "dlt_csv"), ("dlt, Arrow reader", "dlt_arrow")):
        for some in (few, more):
            contenders[f"{name}, {len(some)} files"] = (len(some), lambda m=module, f=some: dlt(m, f))
    measured: dict[str, list[measure.Measured]] = {name: [] for name in contenders}
    for _ in range(RUNS):
        for name, (n, once) in contenders.items():
            measured[name].append(once())
            print(f"  {name:38} {n:6} files {measured[name][-1].seconds:8.2f} s", flush=True)
    shutil.rmtree(folder, ignore_errors=True)

    found = {
        name: {
            "n_files": n,
            "median_s": round(measure.median(m.seconds for m in measured[name]), 2),
            "all_s": [round(m.seconds, 2) for m in measured[name]],
            "peak_mib": round(max(m.peak_mib for m in measured[name])),
        }
        for name, (n, _) in contenders.items()
    }
    for name in ("dlt, read_csv", "dlt, Arrow reader"):
        one, two = (found.pop(f"{name}, {len(some)} files") for some in (few, more))
        for_each = (two["median_s"] - one["median_s"]) / (two["n_files"] - one["n_files"])
        found[name] = {
            "n_files": n_files,
            "median_s": round(two["median_s"] + for_each * (n_files - two["n_files"]), 2),
            "projected_from": [one, two],
            "peak_mib": two["peak_mib"],
        }
    return {"n_files": n_files, "rows_each": generate.VEHICLES, "runs": RUNS, "contenders": found}
