"""Every table of every example, as four readers see it.

Each example is copied to a temporary folder, its fixtures' inputs are put into
the landing folders, and the lakegate binary loads them. Then each table is read
by delta-rs for Python, DuckDB, Polars and `lakegate sql`; they must agree on
the number of rows and, for each column, on its type, its nulls, the sum of its
numbers or times and a checksum of its texts that does not depend on order. All
of it is done twice: as the tables were loaded, and after compaction and a
checkpoint, which readers take other ways through.

Exit code 1 says that something disagrees; 2 that it could not be tested.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import decimal
import hashlib
import importlib.util
import io
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import deltalake
import duckdb
import polars
import pyarrow as pa

import transit

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Column:
    """What is compared of one column."""

    kind: str
    n_null: int
    #: Empty texts: a CSV cannot tell them from nulls.
    n_empty: int
    #: Sum of numbers, or of times in microseconds.
    total: float | int | None
    #: Sum of the hashes of texts, modulo 2^64.
    checksum: int | None

    def agrees(self, other: "Column", csv_side: bool) -> bool:
        if self.kind != other.kind or self.checksum != other.checksum:
            return False
        if csv_side:
            if self.n_null + self.n_empty != other.n_null + other.n_empty:
                return False
        elif (self.n_null, self.n_empty) != (other.n_null, other.n_empty):
            return False
        if isinstance(self.total, float) or isinstance(other.total, float):
            return math.isclose(self.total, other.total, rel_tol=1e-9, abs_tol=1e-9)
        return self.total == other.total


def kind_of(field: pa.Field) -> str:
    t = field.type
    if pa.types.is_boolean(t):
        return "bool"
    if pa.types.is_integer(t):
        return "int"
    if pa.types.is_floating(t):
        return "float"
    if pa.types.is_decimal(t):
        return "decimal"
    if pa.types.is_date(t):
        return "date"
    if pa.types.is_timestamp(t):
        return "timestamp"
    if pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_list_view(t):
        return "list"
    if pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_binary_view(t):
        return "binary"
    return "text"


def micros(value: dt.datetime) -> int:
    if value.tzinfo is None:
        value = value.replace(tzinfo=dt.timezone.utc)
    return (value - EPOCH) // dt.timedelta(microseconds=1)


def hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def summary(kind: str, values: list) -> Column:
    """Sums up the values of a column, given as Python values or None."""
    given = [v for v in values if v is not None]
    n_null = len(values) - len(given)
    if kind in ("int", "bool"):
        return Column(kind, n_null, 0, sum(int(v) for v in given), None)
    if kind == "float":
        finite = [float(v) for v in given if math.isfinite(v)]
        odd = sum(hashed(repr(float(v))) for v in given if not math.isfinite(v)) & MASK
        return Column(kind, n_null, 0, math.fsum(finite), odd)
    if kind == "decimal":
        scaled = sum((decimal.Decimal(v) for v in given), decimal.Decimal(0))
        return Column(kind, n_null, 0, None, hashed(str(scaled.normalize())))
    if kind == "date":
        return Column(kind, n_null, 0, sum((v - EPOCH.date()).days for v in given), None)
    if kind == "timestamp":
        return Column(kind, n_null, 0, sum(micros(v) for v in given), None)
    if kind == "list":
        texts = [json.dumps(list(v), separators=(",", ":")) for v in given]
    elif kind == "binary":
        texts = [bytes(v).hex() for v in given]
    else:
        texts = [str(v) for v in given]
    filled = [t for t in texts if t != ""]
    return Column(kind, n_null, len(texts) - len(filled), None, sum(map(hashed, filled)) & MASK)


def from_arrow(table: pa.Table) -> tuple[int, dict[str, Column]]:
    return table.num_rows, {f.name: summary(kind_of(f), table.column(f.name).to_pylist()) for f in table.schema}


def from_csv(text: str, kinds: dict[str, str]) -> tuple[int, dict[str, Column]]:
    """Reads what `lakegate sql --format csv` wrote; the kinds are those that
    delta-rs found, because a CSV has none."""

    def value(kind: str, cell: str):
        if cell == "":
            return None
        if kind == "bool":
            return {"true": True, "false": False}[cell]
        if kind == "int":
            return int(cell)
        if kind == "float":
            return float(cell)
        if kind == "decimal":
            return decimal.Decimal(cell)
        if kind == "date":
            return dt.date.fromisoformat(cell)
        if kind == "timestamp":
            return dt.datetime.fromisoformat(cell.replace("Z", "+00:00"))
        if kind == "list":
            return json.loads(cell)
        if kind == "binary":
            return bytes.fromhex(cell)
        return cell

    rows = list(csv.reader(io.StringIO(text)))
    header, rows = rows[0], rows[1:]
    return len(rows), {
        name: summary(kinds.get(name, "text"), [value(kinds.get(name, "text"), r[i]) for r in rows])
        for i, name in enumerate(header)
    }


class Readers:
    """The four of them."""

    def __init__(self, binary: Path):
        self.binary = binary
        # The extension lies in a Python package: nothing is downloaded.
        package = importlib.util.find_spec("duckdb_extension_delta")
        if package is None or package.origin is None:
            raise SystemExit("duckdb-extension-delta is not installed; see tests/interop/requirements.txt")
        found = sorted(Path(package.origin).parent.glob(f"extensions/v{duckdb.__version__}/delta.duckdb_extension"))
        if not found:
            raise SystemExit(f"duckdb-extension-delta is not for DuckDB {duckdb.__version__}; pin the same version of both")
        self.duck = duckdb.connect()
        self.duck.execute(f"load '{found[0]}'")
        self.duck.execute("set timezone = 'UTC'")

    def deltalake(self, folder: Path) -> pa.Table:
        return deltalake.DeltaTable(folder).to_pyarrow_table()

    def duckdb(self, folder: Path) -> pa.Table:
        return self.duck.execute("select * from delta_scan(?)", [folder.as_uri()]).to_arrow_table()

    def polars(self, folder: Path) -> pa.Table:
        return polars.scan_delta(str(folder)).collect().to_arrow()

    def lakegate(self, lake: Path, name: str) -> str:
        quoted = ".".join(f'"{part}"' for part in name.split("."))
        done = run(self.binary, lake, "sql", f"select * from {quoted}", "--format", "csv")
        if done.returncode != 0:
            raise RuntimeError(f"lakegate sql failed: {done.stderr.strip()}")
        return done.stdout


def run(binary: Path, lake: Path, *args: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEGATE_")}
    # Hooks are run by this Python, which has pyarrow.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    return subprocess.run(
        [str(binary), "--lake", str(lake), *args], capture_output=True, text=True, timeout=300, env=environment
    )


def tables_of(lake: Path) -> list[tuple[str, Path]]:
    root = lake / "lake" / "tables"
    logs = sorted(root.glob("*/*/*/_delta_log"))
    return [(".".join(log.parent.relative_to(root).parts), log.parent) for log in logs]


def compare(readers: Readers, lake: Path, name: str, folder: Path) -> tuple[int, list[str]]:
    """Rows of the table, and what the readers disagree on."""
    n_rows, want = from_arrow(readers.deltalake(folder))
    kinds = {column: c.kind for column, c in want.items()}
    others = {
        "duckdb": lambda: from_arrow(readers.duckdb(folder)),
        "polars": lambda: from_arrow(readers.polars(folder)),
        "lakegate": lambda: from_csv(readers.lakegate(lake, name), kinds),
    }
    wrong = []
    for reader, read in others.items():
        try:
            n, got = read()
        except Exception as e:  # noqa: BLE001 - any refusal to read is a finding
            wrong.append(f"{reader} cannot read it: {e}")
            continue
        if n != n_rows:
            wrong.append(f"{reader} sees {n} rows, deltalake {n_rows}")
        if set(got) != set(want):
            wrong.append(f"{reader} sees other columns: {sorted(set(got) ^ set(want))}")
        for column in want.keys() & got.keys():
            if not want[column].agrees(got[column], reader == "lakegate"):
                wrong.append(f"{column}: deltalake {want[column]}, {reader} {got[column]}")
    return n_rows, wrong


def copy_lake(example: Path, lake: Path) -> None:
    shutil.copytree(example, lake, ignore=shutil.ignore_patterns("lake", "landing", "fixtures"))


def make_upkeep_due(lake: Path) -> None:
    """Two small files are worth compacting, every commit a checkpoint."""
    path = lake / "lake.yaml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("upkeep:")]
    lines.append("upkeep: { compact_at_files: 2, checkpoint_every: 1 }")
    path.write_text("\n".join(lines) + "\n")


def fixtures(example: Path) -> list[tuple[str, Path]]:
    """The files of an example's fixtures, each with its path below `landing`."""
    found = []
    for case in sorted((example / "fixtures").glob("*/*/*/input")):
        team, dataset = case.parts[-4:-2]
        for file in sorted(f for f in case.rglob("*") if f.is_file()):
            found.append((f"{team}/{dataset}/{file.relative_to(case)}", file))
    return found


def cases(examples: Path, data: Path | None):
    """Name of a case, the example it starts from, and the files to land."""
    for example in sorted(p for p in examples.iterdir() if (p / "fixtures").is_dir()):
        yield example.name, example, fixtures(example)
    if data is None:
        return
    legislators = sorted((data / "legislators").glob("*.json"))
    if legislators and (examples / "legislators").is_dir():
        files = [(f"demo/legislators/{f.name}", f) for f in legislators]
        yield "legislators, real files", examples / "legislators", files
    bottles = sorted((data / "exchange").glob("*_hy1.csv"))
    if bottles and (examples / "bottles").is_dir():
        yield "bottles, real files", examples / "bottles", [(f"ocean/bottles/{f.name}", f) for f in bottles]


def n_data_files(tables: list[tuple[str, Path]]) -> int:
    return sum(len(deltalake.DeltaTable(folder).file_uris()) for _, folder in tables)


def load(binary: Path, lake: Path, files: list[tuple[str, Path]]) -> list[str]:
    """Lands and loads the files one by one, so that tables have several commits
    and data files. What went wrong."""
    for path, file in files:
        target = lake / "landing" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        done = run(binary, lake, "run")
        # 3: some of the files are meant to be parked.
        if done.returncode not in (0, 3):
            return [f"exit code {done.returncode} after {path}", *done.stderr.strip().splitlines()]
    return []


def hooks(readers: Readers, examples: Path, scratch: Path, report) -> None:
    """A command in Python with pyarrow between the reader and the table."""
    lake = scratch / "hooks"
    copy_lake(examples / "buoys", lake)
    files = [(f"ocean/currents/{f.name}", f) for f in sorted((examples / "buoys/hooked").glob("*.csv"))]
    wrong = load(readers.binary, lake, files)
    rows = deltalake.DeltaTable(lake / "lake/tables/ocean/currents/currents").to_pyarrow_table().to_pylist()
    found = [(str(r["time"])[:16], r["site"], r["depth"], r["current_speed"], r["current_direction"]) for r in rows]
    want = [
        ("2026-04-01 00:00", "z05", [4.0, 8.0, 12.0], [0.21, 0.198, 0.12], [181.5, 179.0, 170.0]),
        ("2026-04-01 00:10", "z05", [4.0, 8.0, 12.0], [0.215, None, 0.118], [182.0, 180.0, 171.0]),
    ]
    if found != want:
        wrong.append(f"the hook made {found}")
    parked = run(readers.binary, lake, "sql", "select code, message from system.failures", "--format", "csv").stdout
    if "LG405" not in parked or "has no column such as `Vel1 (mm/s)`" not in parked:
        wrong.append(f"the file without currents is not told of: {parked}")
    report(not wrong, "a hook in Python with pyarrow", f"{len(rows)} rows with lists", wrong)


def feeds(readers: Readers, examples: Path, scratch: Path, data: Path | None, report) -> None:
    """What is polled instead of landed: a replayed feed, and simulated agencies."""
    if data and (data / "gtfs_rt/nyct_ace").is_dir():
        found, wanted = transit.replay(readers.binary, data, scratch / "subway")
        wrong = [f"{key}: {found[key]}, and {wanted[key]} by gtfs-realtime-bindings" for key in wanted if found[key] != wanted[key]]
        report(not wrong, "12 polls of a subway feed, replayed", f"{found['stops']} stops", wrong)
    with transit.Simulated(readers.binary) as agencies:
        lake = scratch / "bus_observatory"
        agencies.lake(examples / "bus_observatory", lake)
        done = run(readers.binary, lake, "run")
        report(done.returncode == 0, "bus_observatory: run", f"exit {done.returncode}", done.stderr.splitlines() if done.returncode else [])
    for table, folder in tables_of(lake):
        n_rows, wrong = compare(readers, lake, table, folder)
        report(not wrong, f"bus_observatory: {table}", f"{n_rows} rows", wrong)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binary", type=Path, required=True)
    arguments.add_argument("--examples", type=Path, required=True)
    arguments.add_argument("--only", help="one example by its name")
    given = arguments.parse_args()
    data = os.environ.get("LAKEGATE_TEST_DATA")
    readers = Readers(given.binary.resolve())
    n_passed = n_failed = 0

    def report(ok: bool, what: str, detail: str, wrong: list[str] = ()) -> None:
        nonlocal n_passed, n_failed
        n_passed, n_failed = n_passed + ok, n_failed + (not ok)
        print(f"{'ok      ' if ok else 'DIFFERS '}{what:<62}{detail:>14}")
        for line in wrong:
            print(f"          {line}")

    print(
        f"deltalake {deltalake.__version__}, duckdb {duckdb.__version__}, polars {polars.__version__}, "
        f"pyarrow {pa.__version__}"
    )
    with tempfile.TemporaryDirectory(prefix="lakegate-interop-") as scratch:
        n_before = n_after = n_checkpoints = 0
        for number, (name, example, files) in enumerate(cases(given.examples, Path(data) if data else None)):
            if given.only and given.only != example.name:
                continue
            lake = Path(scratch) / f"{number}_{example.name}"
            copy_lake(example, lake)
            wrong = load(readers.binary, lake, files)
            tables = tables_of(lake)
            if not tables and not wrong:
                wrong = ["no table was made"]
            report(not wrong, f"{name}: run", f"{len(files)} files", wrong)
            for stage in ("loaded", "maintained"):
                if stage == "maintained":
                    n_before += n_data_files(tables)
                    make_upkeep_due(lake)
                    done = run(readers.binary, lake, "maintain", "--compact", "--checkpoint")
                    ok = done.returncode == 0
                    report(ok, f"{name}: maintain", f"exit {done.returncode}", [] if ok else done.stderr.splitlines())
                    n_after += n_data_files(tables)
                    n_checkpoints += sum((folder / "_delta_log/_last_checkpoint").is_file() for _, folder in tables)
                for table, folder in tables:
                    try:
                        n_rows, wrong = compare(readers, lake, table, folder)
                    except Exception as e:  # noqa: BLE001 - delta-rs itself refuses it
                        n_rows, wrong = 0, [f"deltalake cannot read it: {e}"]
                    report(not wrong, f"{name}: {table}, {stage}", f"{n_rows} rows", wrong)
            done = run(readers.binary, lake, "prove")
            ok = done.returncode == 0
            report(ok, f"{name}: prove", f"exit {done.returncode}", [] if ok else (done.stdout + done.stderr).splitlines())
        if not given.only:
            hooks(readers, given.examples, Path(scratch), report)
            feeds(readers, given.examples, Path(scratch), Path(data) if data else None, report)
            # Otherwise `maintained` would have compared the same files again.
            report(n_after < n_before, "data files before and after compaction", f"{n_before}, {n_after}")
            report(n_checkpoints > 0, "tables with a checkpoint", f"{n_checkpoints}")
    print(f"\n{n_passed} passed, {n_failed} failed")
    if n_passed + n_failed == 0:
        print("nothing was tested: no example was found", file=sys.stderr)
        return 2
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
