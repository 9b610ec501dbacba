"""Holds quality checks against tsdat itself: the same random files through both.

By hand, and in no pipeline: it needs tsdat (0.10) and mhkit (1.1) from PyPI.

    python tests/interop/quality_tsdat.py path/to/lakegate [files]

Says for every kind of check how many flags and values were compared and how
many of them differ, and ends with 1 where any does.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import xarray as xr
from tsdat.qc.base import QualityManager
from tsdat.qc import checkers as c
from tsdat.qc import handlers as h
from tsdat.qc.checkers.oceanography import CheckGoringNikora2002

FILL = -9999.0
THRESHOLDS = {
    "fail_range": [-2.5, 2.5],
    "warn_range": [-1.5, 1.5],
    "valid_range": [-4.0, 4.0],
    "fail_delta": 1.0,
    "warn_delta": 0.5,
    "valid_delta": 2.0,
    "fail_std": 3.0,
    "warn_std": 1.0,
    "valid_std": 2.0,
}
WORDS = {
    "Min": ("range", c.CheckFailRangeMin, c.CheckWarnRangeMin, c.CheckValidRangeMin),
    "Max": ("range", c.CheckFailRangeMax, c.CheckWarnRangeMax, c.CheckValidRangeMax),
    "Delta": ("delta", c.CheckFailDelta, c.CheckWarnDelta, c.CheckValidDelta),
    "Std": ("std", c.CheckFailStd, c.CheckWarnStd, c.CheckValidStd),
}


def flag(meaning):
    return h.RecordQualityResults(parameters={"assessment": "bad", "meaning": meaning})


def manager(checker, handlers, of="v"):
    return QualityManager(name="m", checker=checker, handlers=handlers, apply_to=[of])


def cases():
    """Name, our checks of column `v`, tsdat's, whether values may be missing."""
    thresholds, theirs = ["{ check: missing, columns: v, then: [remove, flag] }"], [
        manager(c.CheckMissing(), [h.RemoveFailedValues(), flag("missing")])
    ]
    for word, (_, *classes) in WORDS.items():
        for level, checker in zip(("fail", "warn", "valid"), classes):
            check = f"{level}_{word.lower()}"
            thresholds.append(f"{{ check: {check}, columns: v }}")
            theirs.append(manager(checker(), [flag(check)]))
    yield "thresholds", thresholds, theirs, True
    yield (
        "removed before the rest",
        [
            "{ check: fail_max, columns: v, then: [flag, remove] }",
            "{ check: missing, columns: v }",
            "{ check: valid_delta, columns: v }",
            "{ check: warn_std, columns: v }",
        ],
        [
            manager(c.CheckFailRangeMax(), [flag("a"), h.RemoveFailedValues()]),
            manager(c.CheckMissing(), [flag("b")]),
            manager(c.CheckValidDelta(), [flag("c")]),
            manager(c.CheckWarnStd(), [flag("d")]),
        ],
        True,
    )
    for word, given in (("monotonic", {}), ("increasing", {"require_increasing": True}),
                        ("decreasing", {"require_decreasing": True})):
        yield (
            word,
            [f"{{ check: {word}, columns: v, null_is: fail }}"],
            [manager(c.CheckMonotonic(parameters=given), [flag("a")])],
            True,
        )
    yield "despike", ["{ check: despike, columns: v }"], [manager(CheckGoringNikora2002(), [flag("a")])], False
    yield (
        "despike and interpolate",
        ["{ check: despike, columns: v, then: [flag, interpolate] }"],
        [manager(CheckGoringNikora2002(), [flag("a"), h.CubicSplineInterp()])],
        False,
    )
    yield (
        "interpolate what is too great",
        ["{ check: warn_max, columns: v, then: [flag, interpolate] }"],
        [manager(c.CheckWarnRangeMax(), [flag("a"), h.CubicSplineInterp()])],
        False,
    )
    yield (
        "sort by time",
        ["{ check: increasing, columns: coordinates, then: [sort] }", "{ check: valid_delta, columns: v }"],
        [
            manager(c.CheckMonotonic(parameters={"require_increasing": True}),
                    [h.SortDatasetByCoordinate()], of="time"),
            manager(c.CheckValidDelta(), [flag("a")]),
        ],
        True,
    )
    yield (
        "leave out what is out of order",
        ["{ check: increasing, columns: coordinates, then: [remove] }", "{ check: valid_delta, columns: v }"],
        [
            manager(c.CheckMonotonic(parameters={"require_increasing": True}),
                    [h.RemoveFailedValues()], of="time"),
            manager(c.CheckValidDelta(), [flag("a")]),
        ],
        True,
    )


def random_file(rng, missing, of_time):
    n = int(rng.integers(30, 12_000 if rng.random() < 0.1 else 900))
    v = np.sin(np.arange(n) / 15) + rng.normal(0, 0.15, n)
    spikes = rng.choice(n, max(1, n // 60), replace=False)
    v[spikes] += rng.normal(0, 3, len(spikes))
    if missing:
        v[1 + rng.choice(n - 1, n // 20, replace=False)] = np.nan
    seconds = np.cumsum(rng.integers(1, 4, n))
    if of_time:
        for i in rng.choice(n - 1, max(1, n // 50), replace=False):
            seconds[[i, i + 1]] = seconds[[i + 1, i]]
    time = np.datetime64("2020-01-01T00:00:00", "us") + seconds.astype("timedelta64[s]")
    return time, np.round(v, 6)


def theirs_of(time, v, managers):
    attrs = dict(THRESHOLDS, _FillValue=FILL, units="1")
    ds = xr.Dataset({"v": ("time", v.copy(), attrs)}, coords={"time": ("time", time)})
    for m in managers:
        ds = m.run(ds)
    values = ds["v"].values.astype(float)
    values[values == FILL] = np.nan
    return ds["time"].values.astype("datetime64[us]"), values, ds["qc_v"].values


def ours_of(lakegate, checks, files):
    with tempfile.TemporaryDirectory(prefix="lakegate-quality") as folder:
        root = pathlib.Path(folder)
        (root / "datasets").mkdir()
        (root / "lake.yaml").write_text("lake: q\n")
        ranges = "".join(f"    {k}: {json.dumps(x)}\n" for k, x in THRESHOLDS.items())
        (root / "datasets/t.yaml").write_text(
            "team: q\ncolumns:\n  time: timestamp\n  v:\n    type: float\n" + ranges
            + "quality:\n" + "".join(f"  - {check}\n" for check in checks)
        )
        landing = root / "landing/q/t"
        landing.mkdir(parents=True)
        for n, (time, v) in enumerate(files):
            rows = (f"{t}Z,{'' if np.isnan(x) else repr(float(x))}\n" for t, x in zip(time.astype(str), v))
            (landing / f"{n:05}.csv").write_text("time,v\n" + "".join(rows))
        run = lambda *args: subprocess.run(
            [lakegate, *args, "--lake", folder], check=True, capture_output=True, text=True).stdout
        # A file that has just been written has not settled.
        subprocess.run(["find", str(landing), "-name", "*.csv", "-exec", "touch", "-d", "2020-01-01", "{}", "+"],
                       check=True)
        run("run")
        out = root / "out.ndjson"
        out.write_text(run("sql", "select f.path, cast(time as bigint) as us, v, qc_v from q.t.t t "
                           "join system.files f on f.file_id = t._file_id "
                           "order by f.path, time, _row", "--format", "ndjson"))
        found = [([], [], []) for _ in files]
        for line in out.read_text().splitlines():
            row = json.loads(line)
            us, values, flags = found[int(row["path"][:5])]
            us.append(row["us"])
            values.append(np.nan if row.get("v") is None else row["v"])
            flags.append(row["qc_v"])
        return [tuple(map(np.array, of)) for of in found]


def main():
    lakegate = sys.argv[1]
    n_files = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    wrong = 0
    for name, checks, managers, missing in cases():
        rng = np.random.default_rng(20261121)
        files = [random_file(rng, missing, "time" in name or "order" in name) for _ in range(n_files)]
        ours = ours_of(lakegate, checks, files)
        n = flagged = flags_differ = values_differ = rows_differ = 0
        worst = 0.0
        for (time, v), (us, values, flags) in zip(files, ours):
            want_time, want_values, want_flags = theirs_of(time, v, managers)
            if len(want_time) != len(us) or (want_time.astype("int64") != us).any():
                rows_differ += 1
                continue
            n += len(us)
            flagged += int((want_flags != 0).sum())
            flags_differ += int((want_flags != flags).sum())
            both = ~np.isnan(want_values) & ~np.isnan(values)
            values_differ += int((np.isnan(want_values) != np.isnan(values)).sum())
            if both.any():
                worst = max(worst, float(np.abs(want_values[both] - values[both]).max()))
        values_differ += int(worst > 1e-9)
        wrong += rows_differ + flags_differ + values_differ
        print(f"{name}: {n_files} files, {n} values, {flagged} flagged; differ: {rows_differ} files, "
              f"{flags_differ} flags, {values_differ} values; greatest difference {worst:.1e}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
