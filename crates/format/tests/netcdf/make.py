"""Writes the netCDF files that the tests read, and what they hold.

    python -m venv venv && venv/bin/pip install netCDF4==1.7.5 xarray==2026.9.0
    venv/bin/python make.py

The files are written by netCDF-C; `NAME.json` beside each is what netCDF4 and
xarray for Python make of it: a list of values per column, missing ones as null,
instants as text in UTC, packed values unpacked.
"""

import json
import math
from pathlib import Path

import netCDF4
import numpy as np
import xarray

HERE = Path(__file__).parent
ROWS = 7


def plain(value):
    """A value as JSON has it."""
    if value is np.ma.masked or value is None:
        return None
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            return None
        return str(value.astype("datetime64[us]")) + "Z"
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        # JSON has no infinities.
        return None if math.isnan(value) else float(value) if math.isfinite(value) else str(value)
    return str(value) or None


def column(variable, axis="time", n=ROWS, valid_range=False):
    """What netCDF4 reads, with the rows' axis first."""
    variable.set_auto_chartostring(False)
    data = variable[...]
    if not valid_range and {"valid_range", "valid_min", "valid_max"} & set(variable.ncattrs()):
        data = xarray.open_dataset(variable.group().filepath(), decode_times=False)[variable.name].values
    if variable.dtype == "S1":
        data = np.ma.filled(data, b"\0") if np.ma.isMaskedArray(data) else data
        last_is_rows = variable.dimensions and variable.dimensions[-1] == axis
        data = np.vectorize(lambda b: b.decode())(data) if last_is_rows else netCDF4.chartostring(data, encoding="utf-8")
    if axis in variable.dimensions:
        at = [d for d in variable.dimensions if not (data.ndim < variable.ndim and d == variable.dimensions[-1])]
        data = np.moveaxis(data, at.index(axis), 0) if isinstance(data, np.ndarray) else data
        return [masked(data, i) for i in range(n)]
    return [masked(data, ...)] * n


def masked(data, at):
    part = data[at]
    if np.ma.isMaskedArray(part) and part.ndim:
        return [masked(part, i) for i in range(len(part))]
    if isinstance(part, np.ndarray) and part.ndim == 0:
        part = part[()]
    return plain(part)


def instants(path, *names, n=ROWS):
    """What xarray makes of times."""
    coder = xarray.coders.CFDatetimeCoder(time_unit="us")
    found = xarray.open_dataset(path, decode_times=coder)
    return {name: [plain(v) for v in np.broadcast_to(found[name].values, (n,) + found[name].shape[1:])] for name in names}


def write(name, columns):
    (HERE / f"{name}.json").write_text(json.dumps(columns, indent=None, ensure_ascii=False).replace('], "', '],\n"') + "\n")


def measurements(d, wide):
    """Variables of every type that a format has, along `time`."""
    d.createDimension("time", None)
    d.createDimension("x", 3)
    d.createDimension("letters", 6)
    d.createDimension("unused", 2)
    d.title = "all types"
    d.platform_number = np.int32(130)
    d.versions = np.array([1, 2], "i4")
    time = d.createVariable("time", "f8", ("time",))
    time.units = "days since 2020-02-28 00:00:00"
    time.standard_name = "time"
    time.bounds = "time_bounds"
    time[:] = np.arange(ROWS) * 0.25
    bounds = d.createVariable("time_bounds", "f8", ("time", "x"))
    bounds[:] = np.arange(ROWS)[:, None] * 0.25 + np.array([-0.125, 0, 0.125])
    x = d.createVariable("x", "f4", ("x",))
    x.units = "m"
    x[:] = [0.5, 1.5, 2.5]
    packed = d.createVariable("temperature", "i2", ("time", "x"), fill_value=np.int16(-999))
    packed.scale_factor, packed.add_offset = np.float32(0.01), np.float32(273.15)
    packed.units, packed.long_name, packed.standard_name = "K", "Air temperature", "air_temperature"
    packed.set_auto_maskandscale(False)
    packed[:] = np.arange(ROWS * 3).reshape(ROWS, 3) * 100 - 1000
    packed[2, 1] = -999
    double = d.createVariable("pressure", "i4", ("time",))
    double.scale_factor, double.units = 0.1, "hPa"
    double.missing_value = np.int32(-1)
    double.set_auto_maskandscale(False)
    double[:] = 10130 + np.arange(ROWS)
    double[3] = -1
    ranged = d.createVariable("ranged", "i2", ("time",))
    ranged.valid_range = np.array([2, 5], "i2")
    ranged[:] = np.arange(ROWS)
    unsigned = d.createVariable("counts", "i1", ("time",), fill_value=np.int8(-1))
    unsigned.setncattr("_Unsigned", "true")
    unsigned.set_auto_maskandscale(False)
    unsigned[:] = np.array([0, 1, 127, -128, -2, -1, 5], "i1")
    fills = d.createVariable("sparse", "f4", ("time",))
    fills.units = "m s-1"
    fills[4] = 4.5
    floats = d.createVariable("with_nan", "f8", ("time",), fill_value=1e20)
    floats.set_auto_maskandscale(False)
    floats[:] = [1.5, np.nan, 1e20, np.inf, -np.inf, -0.0, 1e-300]
    names = d.createVariable("station", "S1", ("time", "letters"))
    texts = np.array([b"z05", b"", b"h\xc3\xa9llo", b"abcdef", b" pad ", b"q", b"z"], "S6")
    names[:] = texts.view("S1").reshape(ROWS, 6)
    flags = d.createVariable("flag", "S1", ("time",))
    flags[:] = np.array(list("abcdefg"), "S1")
    blank = d.createVariable("blank", "S1", ("time", "letters"), fill_value=b" ")
    blank[3] = np.array([b" a    "], "S6").view("S1")
    site = d.createVariable("site", "S1", ("letters",))
    site[:] = netCDF4.stringtochar(np.array(b"morro", "S6"))
    depth = d.createVariable("depth", "f8", ())
    depth.units = "m"
    depth[...] = 40.97
    if wide:
        for name, kind in [("u1", "u1"), ("u2", "u2"), ("u4", "u4"), ("i8", "i8"), ("u8", "u8")]:
            v = d.createVariable(name, kind, ("time",))
            top = np.iinfo(kind).max
            v[:] = [0, 1, 2, 3, top // 2, top - 5, top - 3]


def all_types(name, model):
    path = HERE / f"{name}.nc"
    with netCDF4.Dataset(path, "w", format=model) as d:
        measurements(d, wide=model in ("NETCDF3_64BIT_DATA", "NETCDF4"))
    with netCDF4.Dataset(path) as d:
        columns = {n: column(v) for n, v in d.variables.items()}
        in_range = column(d["ranged"], valid_range=True)
    # netCDF4 knows nothing of `_Unsigned` here, nor of texts of fill letters alone.
    columns["counts"] = [0, 1, 127, 128, 254, None, 5]
    columns["blank"] = [None, None, None, " a    ", None, None, None]
    columns.update(instants(path, "time", "time_bounds"))
    write(name, columns | {"ranged, masked": in_range})


def extended():
    """What only netCDF-4 has."""
    path = HERE / "extended.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF4") as d:
        d.createDimension("time", None)
        d.createDimension("profile", None)
        d.createDimension("z", 4)
        time = d.createVariable("time", "i8", ("time",), zlib=True, shuffle=True, fletcher32=True)
        time.units = "seconds since 1970-01-01T00:00:00 +01:00"
        time[:] = np.arange(5) * 3600
        longer = d.createVariable("longer", "f8", ("time",), zlib=True, complevel=9)
        longer[:] = np.arange(ROWS) / 3
        squeezed = d.createVariable("squeezed", "i4", ("time", "z"), compression="zstd", chunksizes=(2, 3))
        squeezed[:] = np.arange(ROWS * 4).reshape(ROWS, 4)
        text = d.createVariable("text", str, ("time",))
        for i, t in enumerate(["a", "", "é😀", "with, comma", "x" * 300]):
            text[i] = t
        quality = d.createEnumType("u1", "quality_t", {"good": 1, "bad": 2, "unknown": 9})
        q = d.createVariable("quality", quality, ("time",), fill_value=9)
        q[:] = np.array([1, 2, 1, 2, 1, 2, 9], "u1")
        truth = d.createVariable("is_valid", "i1", ("time",))
        truth.setncattr("dtype", "bool")
        truth[:] = [1, 0, 1, 0, 1, 0, 1]
        wind = np.dtype([("speed", "f4"), ("gust", "i2")])
        compound = d.createVariable("wind", d.createCompoundType(wind, "wind_t"), ("time",))
        compound[:] = np.array([(i / 2, i) for i in range(ROWS)], wind)
        ragged = d.createVariable("ragged", d.createVLType("i4", "ints"), ("time",))
        for i in range(ROWS):
            ragged[i] = np.arange(i, dtype="i4")
        z = d.createVariable("z", "f8", ("z",))
        z.positive = "down"
        z[:] = [0, 10, 20, 50]
        turned = d.createVariable("turned", "f4", ("z", "time"))
        turned[:] = np.arange(4)[:, None] * 100 + np.arange(ROWS)
        lat = d.createVariable("lat", "f8", ("profile",))
        lat[:] = [40.5, 41.5]
        sensor = d.createGroup("sensors/ctd")
        sensor.serial = "SN-7"
        salinity = sensor.createVariable("salinity", "f4", ("time",))
        salinity[:] = 30 + np.arange(ROWS) / 8
        sensor.createDimension("scan", 2)
        own = sensor.createVariable("own", "i4", ("scan",))
        own[:] = [1, 2]
    with netCDF4.Dataset(path) as d:
        names = ["longer", "squeezed", "text", "z", "turned"]
        columns = {n: column(d[n]) for n in names}
        columns["sensors/ctd/salinity"] = column(d["sensors/ctd/salinity"])
        columns["lat"] = column(d["lat"], axis="profile", n=2)
        columns["sensors/ctd/own"] = column(d["sensors/ctd/own"], axis="scan", n=2)
        named = {v: k for k, v in d["quality"].datatype.enum_dict.items()}
        d["quality"].set_auto_mask(False)
        columns["quality"] = [None if v == 9 else named[int(v)] for v in d["quality"][:]]
        columns["is_valid"] = [bool(v) for v in d["is_valid"][:]]
        columns["wind"] = [{"speed": float(s), "gust": int(g)} for s, g in d["wind"][:]]
        columns["ragged"] = [[int(i) for i in v] for v in d["ragged"][:]]
        numbers = d["time"][:]
        columns["time"] = [
            None if v is np.ma.masked else plain(np.datetime64(int(v) - 3600, "s").astype("datetime64[us]"))
            for v in numbers
        ]
    write("extended", columns)


CALENDARS = [
    ("standard", "hours since 1-1-1 00:00:0.0", [17067072, 17067072.5, 0]),
    ("gregorian", "days since 1582-10-04", [0, 1, 2.5]),
    ("proleptic_gregorian", "seconds since 1969-12-31 23:59:59.5", [0.25, 1, 1e9]),
    ("julian", "days since 2000-01-01", [0, 59, 366]),
    ("noleap", "days since 2000-02-27 12:00", [0, 1, 2]),
    ("all_leap", "days since 2001-02-28", [0, 1, 2]),
    ("360_day", "days since 2000-02-29", [0, 1, 1.5]),
]


def calendars():
    path = HERE / "calendars.nc"
    expected = {}
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as d:
        d.createDimension("n", 3)
        for calendar, units, values in CALENDARS:
            v = d.createVariable(calendar, "f8", ("n",))
            v.units, v.calendar = units, calendar
            v[:] = values
            dates = netCDF4.num2date(values, units, calendar)
            if calendar in ("noleap", "all_leap", "360_day"):
                expected[calendar] = [str(t) for t in dates]
            else:
                moved = [t.change_calendar("proleptic_gregorian") for t in dates]
                expected[calendar] = [t.isoformat(timespec="microseconds") + "Z" for t in moved]
        v = d.createVariable("months", "f8", ("n",))
        v.units = "months since 2000-01-01"
        v[:] = [0, 1, 2.5]
        expected["months"] = [0.0, 1.0, 2.5]
    write("calendars", expected)


all_types("cdf1", "NETCDF3_CLASSIC")
all_types("cdf2", "NETCDF3_64BIT_OFFSET")
all_types("cdf5", "NETCDF3_64BIT_DATA")
all_types("nc4", "NETCDF4")
extended()
calendars()
