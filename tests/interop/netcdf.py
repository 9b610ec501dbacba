"""The netCDF files that Lakegate writes, as other readers see them.

`netcdf_sample` of the format crate writes files whose values are known here.
They are compared as netCDF4 (netCDF-C) and xarray read them, `ncdump` lists
them, and the compliance checker judges the buoy by CF 1.8. Exit code 1 says that
something is wrong; 2 that it could not be tested.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import xarray

N = 2000
found: list[str] = []


def check(what: str, ok: bool, *detail: object) -> None:
    if not ok:
        found.append(f"{what}: {' '.join(map(str, detail))}")


def same(what: str, got: object, want: object) -> None:
    check(what, got == want, "is", repr(got), "not", repr(want))


def equal(what: str, got: np.ndarray, want: np.ndarray) -> None:
    got, want = np.asarray(got), np.asarray(want)
    if want.dtype.kind == "f":
        ok = got.shape == want.shape and np.array_equal(got, want, equal_nan=True)
    else:
        ok = got.shape == want.shape and bool((got == want).all())
    check(what, ok, got, "not", want)


def pressures() -> np.ndarray:
    i = np.arange(N)
    return np.where(i % 97 == 5, np.nan, 1000.0 + i / 7.0)


def speeds() -> np.ndarray:
    i, d = np.arange(N)[:, None], np.arange(3)[None, :]
    missing = (i % 50 == 3) | (d + i % 11 == 2)
    return np.where(missing, np.nan, (i / 8.0 + d)).astype("f4")


def remarks() -> list[str]:
    return [f"sé {i}" if i % 3 == 0 else "" for i in range(N)]


def buoy_by_netcdf4(path: Path) -> None:
    with netCDF4.Dataset(path) as nc:
        same("format", nc.data_model, "NETCDF4")
        same("dimensions", {n: (len(d), d.isunlimited()) for n, d in nc.dimensions.items()},
             {"time": (N, True), "depth": (3, False), "remark_strlen": (12, False)})
        same("attributes", nc.ncattrs(),
             ["Conventions", "title", "history", "institution", "source", "references", "comment", "level"])
        same("title", nc.title, "Buoy at the harbour of Ærø")
        same("level", (nc.level, nc.level.dtype), (1, np.dtype("i2")))
        p = nc["pressure"]
        same("attributes of pressure", p.ncattrs(),
             ["_FillValue", "long_name", "standard_name", "units", "ancillary_variables", "coordinates", "fail_range"])
        same("long_name", p.long_name, "Air pressure at 4 m – the mast")
        equal("fail_range", p.fail_range, np.array([850.0, 1100.0]))
        same("fill", (p._FillValue, p.dtype), (-9999.0, np.dtype("f8")))
        same("filters", {k: p.filters()[k] for k in ("zlib", "shuffle", "complevel")},
             {"zlib": True, "shuffle": True, "complevel": 4})
        equal("pressure", p[:].filled(np.nan), pressures())
        qc = nc["qc_pressure"]
        same("type of qc", qc.dtype, np.dtype("i4"))
        same("flag_assessments", list(qc.flag_assessments), ["Bad", "Bad", "Indeterminate"])
        equal("flag_masks", qc.flag_masks, np.array([1, 2, 4], "i4"))
        speed = nc["current_speed"]
        same("dimensions of speed", (speed.dimensions, speed.dtype), (("time", "depth"), np.dtype("f4")))
        equal("current_speed", speed[:].filled(np.nan), speeds())
        equal("depth", nc["depth"][:], np.array([4, 8, 12], "f4"))
        same("latitude", (float(nc["latitude"][:]), nc["latitude"].dimensions), (54.853, ()))
        text = netCDF4.chartostring(nc["remark"][:], encoding="utf-8")
        same("remark", [str(t) for t in text], remarks())


def buoy_by_xarray(path: Path, engine: str) -> None:
    with xarray.open_dataset(path, engine=engine) as ds:
        same(f"{engine}: sizes", {k: ds.sizes[k] for k in ("time", "depth")}, {"time": N, "depth": 3})
        time = np.datetime64("2020-12-01T00:00:00", "us") + np.arange(N) * np.timedelta64(1_500_000, "us")
        equal(f"{engine}: time", ds.time.values.astype("M8[us]"), time)
        equal(f"{engine}: pressure", ds.pressure.values, pressures())
        equal(f"{engine}: current_speed", ds.current_speed.values, speeds())
        same(f"{engine}: coordinates", sorted(ds.coords), ["depth", "latitude", "longitude", "time"])
        same(f"{engine}: remark", [t.decode() for t in ds.remark.values.tolist()], remarks())


def types(path: Path) -> None:
    want = {
        "byte": (-128, 127, "i1"), "ubyte": (0, 254, "u1"), "short": (-32768, 32767, "i2"), "ushort": (0, 65534, "u2"),
        "int": (-2**31, 2**31 - 1, "i4"), "uint": (0, 2**32 - 2, "u4"), "int64": (-2**63, 2**63 - 1, "i8"),
        "uint64": (0, 2**64 - 1, "u8"), "float": (np.finfo("f4").min, np.float32(0.1), "f4"),
        "double": (np.finfo("f8").min, 0.1, "f8"),
    }
    with netCDF4.Dataset(path) as nc:
        for name, (first, last, kind) in want.items():
            v = nc[name]
            same(f"type of {name}", v.dtype, np.dtype(kind))
            got = v[:]
            same(f"missing of {name}", list(np.ma.getmaskarray(got)), [False, True, False])
            same(f"values of {name}", (got[0], got[2]), (np.array(first, kind), np.array(last, kind)))
        same("strings", list(nc["string"][:]), ["Ærø", "", "a\nb"])
        for holder in (nc, nc["int"]):
            a = {name: holder.getncattr(name) for name in holder.ncattrs() if name != "_FillValue"}
            for name, (_, _, kind) in want.items():
                same(f"type of attribute {name}", np.asarray(a[name]).dtype, np.dtype(kind))
            equal("byte attribute", a["byte"], np.array([-128, 127], "i1"))
            equal("double attribute", a["double"], np.array([0.1, np.nan]))
            same("uint64 attribute", int(a["uint64"]), 2**64 - 1)
            same("text attributes", (a["text"], a["empty"]), ("Ærø", ""))
            same("texts attribute", list(a["texts"]), ["a", "", "é"])


def many(path: Path) -> None:
    n = 2_000_000
    i = np.arange(n)
    with netCDF4.Dataset(path) as nc:
        same("variables", sorted(nc.variables), [f"v{c:03}" for c in range(40)])
        for c in (0, 1, 20, 39):
            want = (i % 1009 + c).astype("f8") if c % 20 == 0 else ((i + c) % 100).astype("i1")
            equal(f"v{c:03}", nc[f"v{c:03}"][:], want)


def empty(path: Path) -> None:
    with netCDF4.Dataset(path) as nc:
        same("rows of the empty file", (len(nc.dimensions["time"]), nc["pressure"].shape, nc["current_speed"].shape),
             (0, (0,), (0, 3)))
    with xarray.open_dataset(path) as ds:
        same("rows of the empty dataset", ds.sizes["time"], 0)


def ncdump(path: Path) -> None:
    program = shutil.which("ncdump")
    if program is None:
        print("skipped: ncdump is not installed (Debian: netcdf-bin)")
        return
    out = subprocess.run([program, "-h", path], capture_output=True, text=True, check=True).stdout
    for line in ("time = UNLIMITED ; // (2000 currently)", "double pressure(time) ;", 'pressure:units = "hPa" ;',
                 "pressure:_FillValue = -9999. ;", "pressure:fail_range = 850., 1100. ;", "int qc_pressure(time) ;",
                 "qc_pressure:flag_masks = 1, 2, 4 ;", "float current_speed(time, depth) ;",
                 'string qc_pressure:flag_assessments = "Bad", "Bad", "Indeterminate" ;', ":level = 1s ;",
                 'time:units = "seconds since 1970-01-01 00:00:00" ;', "char remark(time, remark_strlen) ;"):
        check("ncdump", line in out, "has no line", line)
    subprocess.run([program, path], capture_output=True, check=True)


def compliance(path: Path, folder: Path) -> None:
    report = folder / "report.json"
    checker = Path(sys.executable).with_name("compliance-checker")
    run = subprocess.run([checker, "--test", "cf:1.8", "--format", "json", "--output", report, path],
                         capture_output=True, text=True, check=False)
    if not report.exists():
        print(run.stdout, run.stderr)
        raise SystemExit(2)
    judged = json.loads(report.read_text())["cf:1.8"]
    for kind in ("high_priorities", "medium_priorities", "low_priorities"):
        for item in judged[kind]:
            got, most = item["value"]
            check(f"CF 1.8, {kind}", got == most, item["name"], item["msgs"])


def main() -> None:
    folder = Path(sys.argv[1])
    buoy = folder / "buoy.nc"
    buoy_by_netcdf4(buoy)
    for engine in ("netcdf4", "h5netcdf"):
        buoy_by_xarray(buoy, engine)
    types(folder / "types.nc")
    many(folder / "many.nc")
    empty(folder / "empty.nc")
    ncdump(buoy)
    compliance(buoy, folder)
    for line in found:
        print(line)
    print("netCDF: " + (f"{len(found)} differences" if found else "netCDF4, xarray, ncdump and CF 1.8 agree"))
    raise SystemExit(1 if found else 0)


main()
