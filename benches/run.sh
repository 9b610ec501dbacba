#!/usr/bin/env bash
# Measures lakegate and its peers on this machine, prints the ratios, and
# writes docs/benchmarks.md.
#
#   benches/run.sh [bulk|small|scale|fresh|serve|feeds|tsdat|month|all]...
#                          all where nothing is said, which is all but month
#
#   LAKEGATE_BENCH_DIR     where data and lakes are made (default /tmp/lakegate-bench)
#   LAKEGATE_BENCH_VENV    the virtual environment of the peers; made where it is missing
#   LAKEGATE_BENCH_TSDAT_VENV   that of tsdat, whose packages are its own; made where
#                          its part is asked for
#   LAKEGATE_BENCH_SCALE   1 is the full size; 0.01 tries the scripts out, and
#                          its results are printed but not kept
#   LAKEGATE_BENCH_MONTH   feeds, days and polls per hour of the month (20x30x120); what
#                          a smaller one finds is kept with its size
#   LAKEGATE_BIN           the binary to measure; a release build where it is not given
#
# Room: about 15 GB. Time on two cores: bulk 20 minutes, small 20, scale 15,
# fresh 2, serve 5, feeds 7, tsdat 5, and the release build. A whole month is 1.7 million polls: hours.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/.." && pwd)"
cd "$root"

target="$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
venv="${LAKEGATE_BENCH_VENV:-$target/bench-venv}"
work="${LAKEGATE_BENCH_DIR:-/tmp/lakegate-bench}"

if [[ -z "${LAKEGATE_BIN:-}" ]]; then
    cargo build --release
    LAKEGATE_BIN="$target/release/lakegate"
fi

# Made anew when the list of packages has changed.
environment() {
    local list="$1" venv="$2"
    if ! cmp -s "$list" "$venv/requirements.txt"; then
        python3 -m venv --clear "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$list"
        cp "$list" "$venv/requirements.txt"
    fi
}
environment "$here/requirements.txt" "$venv"
case " ${*:-all} " in
    *" all "* | *" tsdat "*)
        export LAKEGATE_BENCH_TSDAT_VENV="${LAKEGATE_BENCH_TSDAT_VENV:-$target/bench-venv-tsdat}"
        environment "$here/requirements-tsdat.txt" "$LAKEGATE_BENCH_TSDAT_VENV"
        ;;
esac

exec "$venv/bin/python" "$here/bench.py" --binary "$LAKEGATE_BIN" --work "$work" --docs "$root/docs" "$@"
