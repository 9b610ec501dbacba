"""A pipeline of tsdat beside the same pipeline imported: one daily file with its
plots, and one large file. What both write is compared, value by value."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
from pathlib import Path

import measure
import numpy as np
from lake import Lakegate

RUNS = 5
LARGE_RUNS = 3
ROWS_OF_A_DAY = 1440
LARGE_ROWS = 1_000_000
#: The large file is held whole for its checks and its export: default `memory:` is for smaller ones.
LARGE_MEMORY = "1GiB"

REPOSITORY = Path(__file__).parent / "tsdat"
DATASET = "harbor_buoy_waves_b1"
TABLE = "buoy_waves"
DATASTREAM = "harbor.buoy-waves.b1"
PLOTS = f"      plots: 'ancillary/harbor/{DATASTREAM}/{DATASTREAM}.{{start:%Y%m%d.%H%M%S}}.{{column}}.png'\n"

#: What the columns of a file swing around, how far, and what a spike is.
COLUMNS = {
    "ZCN": (180.0, 15.0, 500.0),
    "Havg": (1.5, 0.5, 9.0),
    "Hmax": (350.0, 120.0, 1500.0),
    "HM0": (2.4, 0.8, 14.0),
    "Tavg": (6.2, 1.0, 25.0),
    "MeanPeriod": (6.2, 1.0, 45.0),
    "Tmax": (11.0, 2.0, 60.0),
    "PeakPeriod": (14.0, 3.0, -4.0),
    "Te": (8.5, 1.5, 31.5),
    "MeanDirection": (295.0, 15.0, 361.0),
    "MeanSpread": (29.0, 5.0, -1.0),
    "PeakDirection": (290.0, 20.0, 400.0),
    "SST": (12.5, 2.0, 48.0),
}


def generated(path: Path, n_rows: int, start: str, step_s: int, seed: int) -> Path:
    """A file of waves with missing values, spikes and values out of range; the
    same on every machine."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    half = path.with_suffix(".part")
    with half.open("w") as out:
        out.write(f"DataTimeStamp,WaveType,{','.join(COLUMNS)}\n")
        for first in range(0, n_rows, 50_000):
            i = np.arange(first, min(first + 50_000, n_rows))
            times = np.datetime64(start, "s") + i * step_s
            columns = [np.char.replace(times.astype(str), "T", " "), itertools.repeat("0.0", len(i))]
            for k, (name, (middle, swing, spike)) in enumerate(COLUMNS.items()):
                values = middle + swing * np.sin(i / 40_000 * (k + 1) + k) + swing / 10 * random.standard_normal(len(i))
                dice = random.random(len(i))
                values[dice < 0.004] = spike
                if name == "ZCN":
                    columns.append(np.round(values).astype(int).astype(str))
                    continue
                cells = np.char.mod("%.3f", values)
                cells[dice > 0.98] = ""
                cells[dice > 0.99] = "NaN"
                # tsdat converts units before it looks for fill values.
                cells[dice > 0.995] = "" if name == "Hmax" else "-9999"
                columns.append(cells)
            out.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))
    half.rename(path)
    return path


class Ours:
    """A lake with the imported pipeline."""

    def __init__(self, lakegate: Lakegate, folder: Path, *, plots: bool, more: str = ""):
        self.folder = measure.fresh_folder(folder)
        self.binary = str(lakegate.binary)
        (folder / "lake.yaml").write_text(f"lake: bench\n{more}")
        # 3: the pipeline is a class of its own, whose plots the dataset file then has.
        measure.child([self.binary, "--lake", str(folder), "import", "tsdat", str(REPOSITORY), "--team", "ocean"], ok=(3,))
        file = folder / f"datasets/{DATASET}.yaml"
        if plots:
            file.write_text(file.read_text().replace("    export:\n", f"    export:\n{PLOTS}"))
        self.landing = folder / f"landing/ocean/{DATASET}"
        self.landing.mkdir(parents=True)
        self.n_rows = 0

    def run(self, file: Path, n_rows: int) -> measure.Measured:
        """A run in the lake where the file has just landed."""
        os.link(file, self.landing / file.name)
        measured = measure.child([self.binary, "--lake", str(self.folder), "--quiet", "run"])
        self.n_rows += n_rows
        found = measure.n_rows(self.folder / f"lake/tables/ocean/{DATASET}/{TABLE}")
        if found != self.n_rows:
            raise RuntimeError(f"the table holds {found} rows, not {self.n_rows}: the figures are worth nothing")
        return measured

    @property
    def out(self) -> Path:
        return self.folder / "lake/export"


class Theirs:
    def __init__(self, python: Path, folder: Path, *, plots: bool):
        self.out = measure.fresh_folder(folder)
        self.command = [str(python), str(REPOSITORY / "run_pipeline.py")]
        self.more = [] if plots else ["--no-plots"]

    def run(self, file: Path, _n_rows: int) -> measure.Measured:
        return measure.child([*self.command, str(file), str(self.out), *self.more], environment={"MPLBACKEND": "agg"})


def compared(python: Path, ours: Path, theirs: Path) -> dict:
    """What was compared of the files of both; one that differs is an error."""
    out = measure.child([str(python), str(REPOSITORY / "compare.py"), str(ours), str(theirs)]).out
    said = json.loads(out.strip().splitlines()[-1])
    if said["differences"]:
        raise RuntimeError("the figures are worth nothing: " + "; ".join(said["differences"][:5]))
    return said["compared"]


def raced(files: list[Path], n_rows: int, ours: Ours, theirs: Theirs) -> dict:
    """Both on each file in turn; the first file is for caches alone."""
    measured: dict[str, list[measure.Measured]] = {"lakegate": [], "tsdat": []}
    for k, file in enumerate(files):
        measure.warm([file])
        for name, contender in (("lakegate", ours), ("tsdat", theirs)):
            one = contender.run(file, n_rows)
            note = "" if k else "  (not counted)"
            print(f"  {file.name:40} {name:9} {one.seconds:7.3f} s {one.peak_mib:6.0f} MiB{note}", flush=True)
            measured[name].append(one)
    found = {
        name: {
            "median_s": round(statistics.median(m.seconds for m in all_of_them[1:]), 4),
            "all_s": [round(m.seconds, 4) for m in all_of_them[1:]],
            "peak_mib": round(max(m.peak_mib for m in all_of_them[1:])),
        }
        for name, all_of_them in measured.items()
    }
    inside = [json.loads(m.out.strip().splitlines()[-1])["seconds"] for m in measured["tsdat"][1:]]
    found["tsdat"]["without_imports_s"] = round(statistics.median(inside), 4)
    return found


def run(lakegate: Lakegate, work: Path, size: float) -> dict:
    venv = os.environ.get("LAKEGATE_BENCH_TSDAT_VENV")
    if not venv:
        raise SystemExit("LAKEGATE_BENCH_TSDAT_VENV must name a virtual environment with tsdat: run benches/run.sh")
    python = Path(venv) / "bin/python"
    data, folder = work / "data/waves", work / "tsdat"

    def file(n: int, rows: int, step_s: int) -> Path:
        start = np.datetime64("2026-03-01", "s") + n * rows * step_s
        stamp = str(start).translate(str.maketrans("T", ".", "-:"))
        return generated(data / str(rows) / f"buoy.z05.00.{stamp}.waves.csv", rows, str(start), step_s, seed=n)

    days = [file(n, ROWS_OF_A_DAY, 60) for n in range(RUNS + 1)]
    ours, theirs = Ours(lakegate, folder / "ours", plots=True), Theirs(python, folder / "theirs", plots=True)
    daily = raced(days, ROWS_OF_A_DAY, ours, theirs)
    daily |= {"rows": ROWS_OF_A_DAY, "compared": compared(python, ours.out, theirs.out)}

    rows = round(LARGE_ROWS * size)
    large_files = [file(n, rows, 1) for n in range(LARGE_RUNS + 1)]
    ours = Ours(lakegate, folder / "ours", plots=False, more=f"memory: {LARGE_MEMORY}\n")
    theirs = Theirs(python, folder / "theirs", plots=False)
    large = raced(large_files, rows, ours, theirs)
    large |= {
        "rows": rows,
        "source_mib": round(large_files[0].stat().st_size / 2**20),
        "memory": LARGE_MEMORY,
        "compared": compared(python, ours.out, theirs.out),
    }
    shutil.rmtree(folder)
    return {"runs": RUNS, "large_runs": LARGE_RUNS, "peers": versions(python), "daily": daily, "large": large}


def versions(python: Path) -> dict:
    wanted = ["tsdat", "xarray", "netCDF4", "pandas", "matplotlib"]
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {wanted}}}))"
    return json.loads(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout)
