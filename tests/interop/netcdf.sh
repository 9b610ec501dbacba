#!/usr/bin/env bash
# Writes netCDF files, by the library and by an export, and compares them as
# netCDF-C, xarray, ncdump and the compliance checker see them.
# LAKEGATE_NETCDF_VENV names the virtual environment to use; it is made where it
# is missing.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here/../.."

target="$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
venv="${LAKEGATE_NETCDF_VENV:-$target/netcdf-venv}"
if ! cmp -s "$here/requirements-netcdf.txt" "$venv/requirements.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements-netcdf.txt"
    cp "$here/requirements-netcdf.txt" "$venv/requirements.txt"
fi

files="$(mktemp -d)"
trap 'rm -rf "$files"' EXIT
# The same targets as the tests: another choice would build much of it again.
cargo build --quiet --workspace --all-targets
"$target/debug/examples/netcdf_sample" "$files"
"$venv/bin/python" "$here/netcdf.py" "$files" "$target/debug/lakegate"
