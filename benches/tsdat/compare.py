"""Says how the netCDF files in two folders differ in what is stored: dimensions,
variables, values, flags and what they mean. Other attributes: docs/tsdat.md.

    compare.py OURS THEIRS

Prints the differences, and how much was compared.
"""

import json
import sys
from pathlib import Path

import numpy as np
import xarray

differences: list[str] = []
compared = {"n_netcdf": 0, "n_plots": 0, "n_times": 0, "n_values": 0, "n_flagged": 0}


def compare(file: Path, ours: xarray.Dataset, theirs: xarray.Dataset) -> None:
    if dict(ours.sizes) != dict(theirs.sizes) or set(ours.variables) != set(theirs.variables):
        shapes = [f"{dict(one.sizes)} {sorted(one.variables)}" for one in (ours, theirs)]
        differences.append(f"{file}: {shapes[0]}, tsdat's {shapes[1]}")
        return
    compared["n_times"] += ours.sizes["time"]
    for name in ours.variables:
        a, b = ours[name], theirs[name]
        if a.dims != b.dims or a.dtype != b.dtype:
            differences.append(f"{file}: {name} is {a.dtype} {a.dims}, tsdat's {b.dtype} {b.dims}")
            continue
        compared["n_values"] += a.size
        if name.startswith("qc_"):
            compared["n_flagged"] += int(np.count_nonzero(a))
            for said in ("flag_masks", "flag_meanings"):
                if not np.array_equal(np.atleast_1d(a.attrs[said]), np.atleast_1d(b.attrs[said])):
                    differences.append(f"{file}: {name}:{said} is {a.attrs[said]}, tsdat's {b.attrs[said]}")
        # Times, counts and flags are the same; what is converted may be rounded otherwise.
        x, y = np.atleast_1d(a), np.atleast_1d(b)
        same = np.isclose(x, y, rtol=1e-12, atol=0) if a.dtype.kind == "f" else x == y
        if not same.all():
            at = np.flatnonzero(~same)
            differences.append(f"{file}: {name} differs at {len(at)} places, first {at[0]}: {x[at[0]]}, tsdat's {y[at[0]]}")


folders = [Path(folder) for folder in sys.argv[1:]]
ours, theirs = ({f.relative_to(folder) for f in folder.rglob("*.*") if f.is_file()} for folder in folders)
differences += [f"only one wrote {file}" for file in sorted(ours ^ theirs)]
for file in sorted(ours & theirs):
    if file.suffix != ".nc":
        compared["n_plots"] += 1
        continue
    compared["n_netcdf"] += 1
    # Not decoded: fill values and times are compared as they are stored.
    a, b = (xarray.open_dataset(folder / file, decode_cf=False) for folder in folders)
    with a, b:
        compare(file, a, b)
print(json.dumps({"differences": differences, "compared": compared}))
