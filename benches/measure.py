"""Time and memory of child processes. Everything is measured in a process of
its own: no run sees another's caches, threads or heap."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass
class Measured:
    seconds: float
    #: Peak resident memory of the process.
    peak_mib: float
    exit_code: int
    out: str


def child(
    command: list[str],
    ok: tuple[int, ...] = (0,),
    timeout: float = 3600,
    environment: dict[str, str] | None = None,
) -> Measured:
    """Runs a command and waits for it; `environment` is added to this process's.

    Raises RuntimeError with its last words where its exit code is not in `ok`.
    """
    own = {k: v for k, v in os.environ.items() if not k.startswith("LAKEGATE_")}
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own | (environment or {}), cwd=Path(__file__).parent
    )
    # `getrusage(RUSAGE_CHILDREN)` would be the maximum over all children so far.
    watch = PeakWatch(process.pid)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise RuntimeError(f"{command[0]} took longer than {timeout:.0f} s") from None
    finally:
        watch.stop()
    seconds = time.perf_counter() - started
    if process.returncode not in ok:
        last = "\n".join((err or out).strip().splitlines()[-8:])
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{last}")
    return Measured(seconds, watch.peak_kib / 1024, process.returncode, out)


class PeakWatch:
    """Reads `VmHWM`, the kernel's own high-water mark, until the process ends;
    what lies between the last reading and the end is missed, 20 ms at most."""

    def __init__(self, pid: int):
        self.peak_kib = 0
        self._path = Path(f"/proc/{pid}/status")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.is_set():
            try:
                for line in self._path.read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self.peak_kib = max(self.peak_kib, int(line.split()[1]))
            except OSError:
                return
            self._done.wait(0.02)

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


def peer(module: str, *args: object, timeout: float = 3600) -> Measured:
    """Runs `python -m peers.<module>`; the seconds are those that it measured
    itself, without the start of Python and its imports."""
    measured = child([sys.executable, "-m", f"peers.{module}", *map(str, args)], timeout=timeout)
    said = json.loads(measured.out.strip().splitlines()[-1])
    measured.seconds = said["seconds"]
    measured.out = json.dumps(said)
    return measured


def times(n: int, once) -> tuple[float, list]:
    """The median of the seconds of `n` calls of `once`, and what they answered."""
    all_of_them = [once() for _ in range(n)]
    return median(m.seconds for m in all_of_them), all_of_them


def warm(paths: list[Path]) -> None:
    """Brings files into the page cache."""
    for path in paths:
        with path.open("rb") as file:
            while file.read(1 << 22):
                pass


def fresh_folder(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def n_rows(table: Path) -> int:
    """Rows of a Delta table by its log."""
    import deltalake
    import pyarrow as pa

    actions = pa.table(deltalake.DeltaTable(table).get_add_actions(flatten=True))
    return sum(actions.column("num_records").to_pylist())


def size_mib(folder: Path) -> float:
    return sum(f.stat().st_size for f in folder.rglob("*.parquet")) / 2**20
