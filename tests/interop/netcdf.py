"""The netCDF files that Lakegate writes, as other readers see them.

`netcdf_sample` of the format crate writes files whose values are known here, and
`lakegate run` exports a lake that is made here. They are compared as netCDF4
(netCDF-C) and xarray read them, `ncdump` lists them, and the compliance checker
judges both buoys by CF 1.8. Exit code 1 says that something is wrong; 2 that it
could not be tested.
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


def ncdump(path: Path, lines: tuple[str, ...]) -> None:
    program = shutil.which("ncdump")
    if program is None:
        print("skipped: ncdump is not installed (Debian: netcdf-bin)")
        return
    out = subprocess.run([program, "-h", path], capture_output=True, text=True, check=True).stdout
    for line in lines:
        check(f"ncdump of {path.name}", line in out, "has no line", line)
    subprocess.run([program, path], capture_output=True, check=True)


BUOY_LINES = (
    "time = UNLIMITED ; // (2000 currently)", "double pressure(time) ;", 'pressure:units = "hPa" ;',
    "pressure:_FillValue = -9999. ;", "pressure:fail_range = 850., 1100. ;", "int qc_pressure(time) ;",
    "qc_pressure:flag_masks = 1, 2, 4 ;", "float current_speed(time, depth) ;",
    'string qc_pressure:flag_assessments = "Bad", "Bad", "Indeterminate" ;', ":level = 1s ;",
    'time:units = "seconds since 1970-01-01 00:00:00" ;', "char remark(time, remark_strlen) ;",
)


# A lake with one table, exported by day: flags, a profile that lies along depth
# first, and variables that no column gives.
DATASET = r"""
team: ocean
match: 'buoy\.(?<site>z\d+)\.(?<n>\d+)\.csv'
sites: { z05: { location: humboldt, latitude: 40.97, longitude: -124.59 } }
input: { s1: float, s2: float, s3: float }
transform: |
  select time, pressure, latitude, longitude, make_array(4.0, 8.0, 12.0) as depth,
    make_array(s1, s2, s3) as current_speed from input
coordinates: [time, depth]
columns:
  time: { type: timestamp, standard_name: time, long_name: Time, attributes: { axis: T } }
  pressure:
    type: float
    from_unit: Pa
    unit: hPa
    standard_name: air_pressure
    long_name: Air pressure
    fail_range: [850, 1100]
    attributes: { height_m: 4, levels: [1, 2.5] }
  depth: { unit: m, standard_name: depth, attributes: { positive: down, axis: Z } }
  current_speed: { unit: m s-1, standard_name: sea_water_speed }
  latitude: { type: float, unit: degrees_north, standard_name: latitude }
  longitude: { type: float, unit: degrees_east, standard_name: longitude }
quality:
  - { check: missing, columns: pressure, then: flag }
  - { check: fail_min, columns: pressure, then: flag }
  - { check: fail_max, columns: pressure, then: flag, assessment: indeterminate }
export:
  netcdf: '{location}/{datastream}.{start:%Y%m%d}.nc'
  per: day
  attributes:
    title: 'Buoy of {location}, Ærø'
    institution: A harbour
    source: buoy
    references: none
    comment: made by a test
    datastream: '{location}.buoy.b1'
    level: 1
  variables:
    pressure: { fill: -9999 }
    current_speed: { dimensions: [depth, time], type: float, fill: -99 }
    height: { value: 4.5, attributes: { units: m, standard_name: height, long_name: Mast, positive: up } }
"""

EXPORT_LINES = (
    "double time(time) ;", "double pressure(time) ;", "float current_speed(depth, time) ;", "double depth(depth) ;",
    "int qc_pressure(time) ;", "qc_pressure:flag_masks = 1, 2, 4 ;", "pressure:fail_range = 850., 1100. ;",
    "pressure:levels = 1., 2.5 ;", 'pressure:ancillary_variables = "qc_pressure" ;', "double latitude ;", ":level = 1 ;",
)


def exported(folder: Path, lakegate: str) -> Path:
    """Loads two files in a new lake; gives the file of the day that both have rows of."""
    lake = folder / "lake"
    (lake / "datasets").mkdir(parents=True)
    landing = lake / "landing/ocean/buoy"
    landing.mkdir(parents=True)
    (lake / "lake.yaml").write_text("lake: harbour\nteams: [ocean]\n")
    (lake / "datasets/buoy.yaml").write_text(DATASET)
    header = "time,pressure,s1,s2,s3\n"
    for n, hours in enumerate((range(12, 36), range(0, 12))):
        rows = [f"2020-12-{1 + h // 24:02}T{h % 24:02}:00:00Z,{pascals(h)},{h}.5,{h / 8},\n" for h in hours]
        (landing / f"buoy.z05.{n}.csv").write_text(header + "".join(reversed(rows)))
    run = subprocess.run([lakegate, "run", "--lake", lake], capture_output=True, text=True, check=False)
    check("lakegate run", run.returncode == 0, run.stdout, run.stderr)
    return lake / "lake/export/humboldt/humboldt.buoy.b1.20201201.nc"


def pascals(hour: int) -> str:
    return {3: "", 5: "20000", 7: "150000"}.get(hour, str(100_000 + hour))


def export_by_readers(path: Path) -> None:
    hours = np.arange(24)
    pressure = np.array([float(pascals(h) or "nan") / 100 for h in hours])
    flags = np.select([hours == 3, hours == 5, hours == 7], [1, 2, 4], 0)
    speeds = np.array([hours + 0.5, hours / 8, np.full(24, np.nan)], "f4")
    with netCDF4.Dataset(path) as nc:
        same("exported dimensions", {n: len(d) for n, d in nc.dimensions.items()}, {"time": 24, "depth": 3})
        same("exported title", nc.title, "Buoy of humboldt, Ærø")
        same("level", (nc.level, nc.level.dtype), (1, np.dtype("i4")))
        check("history", "buoy.z05.0.csv, buoy.z05.1.csv" in nc.history, nc.history)
        equal("exported flags", nc["qc_pressure"][:], flags)
        equal("flag masks", nc["qc_pressure"].flag_masks, np.array([1, 2, 4], "i4"))
        same("one word for each flag", len(nc["qc_pressure"].flag_meanings.split()), 3)
        same("assessments", list(nc["qc_pressure"].flag_assessments), ["Bad", "Bad", "Indeterminate"])
        same("latitude", (float(nc["latitude"][:]), nc["latitude"].dimensions), (40.97, ()))
        same("text attributes", (nc["pressure"].long_name, nc["pressure"].height_m), ("Air pressure", 4))
        equal("depth", nc["depth"][:], np.array([4.0, 8.0, 12.0]))
    for engine in ("netcdf4", "h5netcdf"):
        with xarray.open_dataset(path, engine=engine) as ds:
            time = np.datetime64("2020-12-01", "us") + hours * np.timedelta64(1, "h")
            equal(f"{engine}: exported time", ds.time.values.astype("M8[us]"), time)
            equal(f"{engine}: exported pressure", ds.pressure.values, pressure)
            equal(f"{engine}: exported speed", ds.current_speed.values, speeds)
            same(f"{engine}: its dimensions", ds.current_speed.dims, ("depth", "time"))


# Each with the folders of its fixtures that a run needs no other program for.
EXAMPLES = {"buoys": ("buoy",), "moorings": ("buoy", "waves")}


def exported_examples(folder: Path, lakegate: str) -> list[Path]:
    """Runs the examples that export; gives all files that they made."""
    examples = Path(__file__).resolve().parents[2] / "examples"
    made: list[Path] = []
    for name, datasets in EXAMPLES.items():
        lake = folder / name
        shutil.copytree(examples / name, lake)
        for dataset in datasets:
            landing = lake / "landing/ocean" / dataset
            landing.mkdir(parents=True)
            for file in (lake / "fixtures/ocean" / dataset).glob("*/input/*"):
                shutil.copy(file, landing)
        # 3: a file of waves waits for somebody.
        run = subprocess.run([lakegate, "run", "--lake", lake], capture_output=True, text=True, check=False)
        check(f"lakegate run of {name}", run.returncode in (0, 3), run.stdout, run.stderr)
        files = sorted((lake / "lake/export").rglob("*.nc"))
        check(f"exports of {name}", len(files) > 1, files)
        made += files
    return made


def companions(paths: list[Path]) -> None:
    """Averages on a grid say what they and their companions are."""
    grids = [path for path in paths if ".c1." in path.name]
    check("files of a grid", len(grids) > 2, paths)
    for path in grids:
        with netCDF4.Dataset(path) as nc:
            averaged = [name for name in nc.variables if f"{name}_std" in nc.variables]
            check("averages", bool(averaged), path)
            for name in averaged:
                std, share = nc[f"{name}_std"], nc[f"{name}_goodfraction"]
                same(f"unit of {name}_std", std.units, nc[name].units)
                same(f"unit of {name}_goodfraction", share.units, "1")
                for companion in (std, share, nc[name]):
                    same(f"coordinates of {companion.name}", companion.coordinates, "latitude longitude")
                    same("dimensions", companion.dimensions, nc[name].dimensions)
                check(f"long names in {path.name}", "good values" in share.long_name and "deviation" in std.long_name)


def compliance(path: Path, folder: Path, recommended: tuple[str, ...] = ()) -> None:
    """`recommended`: what CF recommends and the file declares otherwise on purpose."""
    report = folder / f"{path.stem}.json"
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
            if item["name"] in recommended and kind == "medium_priorities":
                check("a recommendation", got != most, item["name"], "is followed")
                continue
            check(f"CF 1.8 of {path.name}, {kind}", got == most, item["name"], item["msgs"])


def main() -> None:
    folder = Path(sys.argv[1])
    buoy = folder / "buoy.nc"
    buoy_by_netcdf4(buoy)
    for engine in ("netcdf4", "h5netcdf"):
        buoy_by_xarray(buoy, engine)
    types(folder / "types.nc")
    many(folder / "many.nc")
    empty(folder / "empty.nc")
    ncdump(buoy, BUOY_LINES)
    compliance(buoy, folder)
    export = exported(folder, sys.argv[2])
    if not found:
        export_by_readers(export)
        ncdump(export, EXPORT_LINES)
        # The speed lies along depth first, as tsdat has it.
        compliance(export, folder, ("§2.4 Dimensions",))
    made = exported_examples(folder, sys.argv[2])
    for path in made:
        compliance(path, folder)
    companions(made)
    for line in found:
        print(line)
    print("netCDF: " + (f"{len(found)} differences" if found else "netCDF4, xarray, ncdump and CF 1.8 agree"))
    raise SystemExit(1 if found else 0)


main()
