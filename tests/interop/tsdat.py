"""Pipelines of tsdat, imported and run, beside what tsdat made of the same input.

    tsdat.py --binary target/debug/lakegate --data DATA

DATA is the folder that LAKEGATE_TEST_DATA names. Each sample's configuration is
imported into a new lake, its input lands and is run, and the exported netCDF file
is compared with the golden one as xarray reads both. Every difference is printed.
Exit code 1 says that a dimension, a variable, a value or a flag differs; what else
differs is text about them. 2 says that it could not be tested.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray

# Who ran it, when, and from where.
OF_THE_RUN = {"history", "input_files", "inputs", "code_version"}


def lakegate(binary: Path, lake: Path, *args: str) -> None:
    done = subprocess.run([binary, *args, "--lake", lake], capture_output=True, text=True)
    # 3: something waits for a person, such as a hook that is not taken over.
    if done.returncode not in (0, 3):
        sys.exit(f"lakegate {' '.join(args)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def exported(binary: Path, config: Path, extra: dict[str, str], dataset: str, source: Path, scratch: Path) -> Path:
    """The file that a run of an imported configuration exports."""
    lake = scratch / "lake"
    lake.mkdir(parents=True)
    (lake / "lake.yaml").write_text("lake: interop\nteams: [ocean]\n")
    repository = scratch / "repository"
    repository.mkdir()
    for file in [config] if config.is_file() else sorted(config.iterdir()):
        (repository / file.name).write_bytes(file.read_bytes())
    for storage in config.parent.glob("*storage*") if config.is_file() else []:
        (repository / storage.name).write_bytes(storage.read_bytes())
    for name, text in extra.items():
        (repository / name).write_text(text)
    lakegate(binary, lake, "import", "tsdat", str(repository))
    landing = lake / "landing" / "ocean" / dataset
    landing.mkdir(parents=True)
    (landing / source.name).write_bytes(source.read_bytes())
    lakegate(binary, lake, "run")
    files = sorted(lake.rglob("export/**/*.nc"))
    if len(files) != 1:
        sys.exit(f"{source.name}: one exported file was expected, found {[f.name for f in files]}")
    return files[0]


def attributes(what: str, ours: dict, golden: dict) -> list[str]:
    found = []
    for name in sorted(set(ours) | set(golden)):
        if name in OF_THE_RUN:
            continue
        if name not in ours or name not in golden:
            found.append(f"{what}:{name} {'missing' if name not in ours else 'added'}")
            continue
        a, b = np.atleast_1d(ours[name]), np.atleast_1d(golden[name])
        if a.shape != b.shape or not all(x == y or x != x and y != y for x, y in zip(a, b)):
            found.append(f"{what}:{name} is {ours[name]!r}, golden {golden[name]!r}")
        elif a.dtype.kind != b.dtype.kind or a.dtype.kind in "iuf" and a.dtype != b.dtype:
            found.append(f"{what}:{name} is stored as {a.dtype}, golden {b.dtype}")
    return found


def compared(ours: Path, golden: Path) -> tuple[list[str], list[str]]:
    """Differences that matter, and those in what is said about the values."""
    grave, light = [], []
    # Not decoded: fill values, flags and times are compared as they are stored.
    with xarray.open_dataset(ours, decode_cf=False) as a, xarray.open_dataset(golden, decode_cf=False) as b:
        if dict(a.sizes) != dict(b.sizes):
            grave.append(f"dimensions are {dict(a.sizes)}, golden {dict(b.sizes)}")
        light += attributes("", a.attrs, b.attrs)
        for name in sorted(set(a.variables) | set(b.variables)):
            if name not in a.variables or name not in b.variables:
                grave.append(f"{name} {'missing' if name not in a.variables else 'added'}")
                continue
            x, y = a[name], b[name]
            light += attributes(name, x.attrs, y.attrs)
            if x.dims != y.dims:
                grave.append(f"{name} lies along {x.dims}, golden {y.dims}")
            elif x.dtype != y.dtype:
                light.append(f"{name} is {x.dtype}, golden {y.dtype}")
            if x.shape == y.shape and not np.allclose(x, y, rtol=1e-12, atol=0, equal_nan=True):
                at = np.argwhere(~np.isclose(x, y, rtol=1e-12, atol=0, equal_nan=True))
                first = tuple(at[0])
                grave.append(f"{name} differs at {len(at)} places, first {first}: {x.values[first]}, golden {y.values[first]}")
    return grave, light


# What the template's shared files say; they are not among the samples.
QUALITY = """
managers:
  - name: Require Valid Coordinate Variables
    checker: { classname: tsdat.qc.checkers.CheckMissing }
    handlers: [ { classname: tsdat.qc.handlers.FailPipeline } ]
    apply_to: [COORDS]
  - name: Fail Pipeline if Coordinate Variables are not Monotonic
    checker: { classname: tsdat.qc.checkers.CheckMonotonic, parameters: { require_increasing: true } }
    handlers: [ { classname: tsdat.qc.handlers.FailPipeline } ]
    apply_to: [COORDS]
  - name: Remove missing data
    checker: { classname: tsdat.qc.checkers.CheckMissing }
    handlers:
      - classname: tsdat.qc.handlers.RemoveFailedValues
      - classname: tsdat.qc.handlers.RecordQualityResults
        parameters: { assessment: bad, meaning: Value is equal to _FillValue or NaN }
    apply_to: [DATA_VARS]
  - name: Flag data below minimum valid threshold
    checker: { classname: tsdat.qc.checkers.CheckValidMin }
    handlers:
      - classname: tsdat.qc.handlers.RecordQualityResults
        parameters: { assessment: bad, meaning: Value is less than the valid_range. }
    apply_to: [DATA_VARS]
  - name: Flag data above maximum valid threshold
    checker: { classname: tsdat.qc.checkers.CheckValidMax }
    handlers:
      - classname: tsdat.qc.handlers.RecordQualityResults
        parameters: { assessment: bad, meaning: Value is greater than the valid_range. }
    apply_to: [DATA_VARS]
"""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    data = args.data / "tsdat"
    if not data.is_dir():
        print(f"could not be tested: {data} is no folder", file=sys.stderr)
        return 2
    storage = "classname: tsdat.io.storage.FileSystem\n"
    samples = [
        (
            data / "v0_2/config/a2e_waves_ingest_config_humboldt_config.yml",
            {},
            "humboldt_buoy_z05_waves_20min_a1",
            data / "v0_2/input/buoy.z05.00.20201201.000000.waves.csv",
            data / "v0_2/expected/humboldt.buoy_z05-waves-20min.a1.20201201.000000.nc",
        ),
        (
            data / "v0_9/config",
            {"quality.yaml": QUALITY, "storage.yaml": storage},
            "morro_buoy_z06_waves_a1",
            data / "v0_9/buoy.z06.00.20201201.000000.waves.csv",
            data / "v0_9/expected.morro.buoy_z06-waves.a1.20201201.000000.nc",
        ),
    ]
    failed = False
    for config, extra, dataset, source, golden in samples:
        with tempfile.TemporaryDirectory() as scratch:
            ours = exported(args.binary.resolve(), config, extra, dataset, source, Path(scratch))
            grave, light = compared(ours, golden)
        print(f"{golden.name}: {len(grave)} differences of data, {len(light)} of what is said of it")
        for difference in grave + light:
            print(f"  {difference}")
        failed |= bool(grave)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
