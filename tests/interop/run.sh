#!/usr/bin/env bash
# Loads every example and compares its tables as four readers see them.
#
#   LAKEGATE_VENV        the virtual environment to use; made where it is missing
#   LAKEGATE_BIN         the binary to test; built where it is not given
#   LAKEGATE_TEST_DATA   real files, for the cases that need them
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
cd "$root"

target="$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
venv="${LAKEGATE_VENV:-$target/interop-venv}"

if [[ -z "${LAKEGATE_BIN:-}" ]]; then
    # The same targets as the tests: another choice would build DataFusion again.
    cargo build --quiet --workspace --all-targets
    LAKEGATE_BIN="$target/debug/lakegate"
fi

# Made anew when the list of packages has changed.
stamp="$venv/requirements.txt"
if ! cmp -s "$here/requirements.txt" "$stamp"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$stamp"
fi

"$venv/bin/python" "$here/interop.py" --binary "$LAKEGATE_BIN" --examples "$root/examples" "$@"
"$venv/bin/python" "$here/browser.py" --binary "$LAKEGATE_BIN" --examples "$root/examples"
