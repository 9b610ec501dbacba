"""Lakes of vehicle positions, and the binary that works on them."""

from __future__ import annotations

import os
from pathlib import Path

import measure

#: Every column is declared, for lakegate and for every peer that can be told.
DATASET = """\
team: transit
match: '{match}'
read: {read}
after: {after}
partition_by: service_date
columns:
  vehicle_id: string
  trip_id: string
  route_id: string
  direction_id: int
  timestamp: timestamp
  latitude: float
  longitude: float
  bearing: float
  speed: float
  stop_id: string
  occupancy_status: string
  service_date: date
"""


class Lakegate:
    def __init__(self, binary: Path):
        self.binary = binary
        self.version = measure.child([str(binary), "--version"]).out.strip()

    def lake(self, folder: Path, *, read: str, match: str = ".*", after: str = "keep", more: str = "") -> "Lake":
        """A new, empty lake."""
        measure.fresh_folder(folder)
        (folder / "datasets").mkdir()
        (folder / "lake.yaml").write_text(f"lake: bench\n{more}")
        (folder / "datasets/positions.yaml").write_text(DATASET.format(read=read, match=match, after=after))
        return Lake(self.binary, folder)


class Lake:
    def __init__(self, binary: Path, folder: Path):
        self.binary = binary
        self.folder = folder
        self.landing = folder / "landing/transit/positions"
        self.landing.mkdir(parents=True)
        self.table = folder / "lake/tables/transit/positions/positions"

    def command(self, *args: str) -> list[str]:
        return [str(self.binary), "--lake", str(self.folder), "--quiet", *args]

    def land(self, files: list[Path]) -> None:
        """Gives files a second name in the landing folder; the copy is not what
        is measured."""
        for file in files:
            os.link(file, self.landing / file.name)

    def run(self) -> measure.Measured:
        """Everything from the start of the process to its end."""
        return measure.child(self.command("run"))

    def expect_rows(self, wanted: int) -> None:
        found = measure.n_rows(self.table)
        if found != wanted:
            raise RuntimeError(f"{self.table} holds {found} rows, not {wanted}: the figures are worth nothing")
