#!/usr/bin/env python3
"""Writes the files under `fixtures/`, the same bytes each time.

    python3 make_files.py

No buoy has measured them: smooth curves, with mistakes at known places.
"""

import math
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

CASE = "{dataset}/first_of_april/input"
FIXTURES = Path(__file__).parent / "fixtures" / "ocean"
START = datetime(2026, 4, 1)
N_ROWS = 36  # six hours, each ten minutes
N_BINS = 5
NO_DIRECTION = 225  # what the current meter writes where it has none


def table(header, rows):
    """A CSV; rows are lists of texts, `None` is left out."""
    return "\n".join([header, *(",".join(row) for row in rows if row is not None)]) + "\n"


def stamps(late=0, every=10, n=N_ROWS):
    return [(START + timedelta(minutes=every * k, seconds=late)).strftime("%Y-%m-%d %H:%M:%S") for k in range(n)]


def swing(k, mean, size, period):
    return mean + size * math.sin(2 * math.pi * k / period)


def pressure(mistakes):
    rows = [[t, f"{swing(k, 1016, 3, 60):.2f}"] for k, t in enumerate(stamps())]
    for k, text in mistakes.items():
        rows[k][1] = text
    return table("DataTimeStamp,Barometric Pressure (mb)", rows)


def wind(mistakes):
    # Its clock is two seconds late.
    rows = [
        [t, f"{swing(k, 14, 6, 40):.1f}", f"{swing(k, 355, 20, 30) % 360:.0f}"] for k, t in enumerate(stamps(late=2))
    ]
    for k, text in mistakes.items():
        rows[k][1] = text
    return table("Time,Speed (kn),Direction (deg)", rows)


def temperature(mistakes, silent):
    rows = [[t, f"{swing(k, 53, 4, 70):.2f}", f"{swing(k, 12.4, 0.3, 70):.3f}"] for k, t in enumerate(stamps())]
    for k, text in mistakes.items():
        rows[k][1] = text
    rows = [None if k in silent else row for k, row in enumerate(rows)]
    return table("DataTimeStamp,Air (F),Surface (C)", rows)


def currents(mistakes):
    rows = []
    for k, t in enumerate(stamps()):
        row = [t]
        for n in range(N_BINS):
            speed = swing(k - 2 * n, 260 - 40 * n, 90 - 12 * n, 36)
            row += [f"{speed:.0f}", f"{swing(k, 150 + 6 * n, 15, 36):.1f}"]
        rows.append(row)
    for (k, n), (speed, direction) in mistakes.items():
        rows[k][1 + 2 * n : 3 + 2 * n] = [speed, direction]
    bins = ",".join(f"Vel{n} (mm/s),Dir{n} (deg)" for n in range(1, N_BINS + 1))
    return table(f"DataTimeStamp,{bins}", rows)


def waves(mistakes):
    rows = [
        [t, f"{swing(k, 210, 60, 30):.0f}", f"{swing(k, 11, 2, 30):.1f}", f"{swing(k, 285, 12, 20):.0f}"]
        for k, t in enumerate(stamps(every=20, n=N_ROWS // 2))
    ]
    for (k, column), text in mistakes.items():
        rows[k][column] = text
    return table("DataTimeStamp,Hsig (cm),Tp (s),Direction (deg)", rows)


def write(dataset, name, content):
    path = FIXTURES / CASE.format(dataset=dataset) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_bytes(content.encode())
        return
    # Stored, not compressed: zlib's bytes are not the same everywhere.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for member, text in content.items():
            archive.writestr(zipfile.ZipInfo(member, START.timetuple()[:6]), text)


def buoy(site, **members):
    name = f"buoy.{site}.20260401.000000"
    write("buoy", f"{name}.zip", {f"{name}.{member}.csv": text for member, text in members.items()})


buoy(
    "z05",
    # One missing, one out of range, one step.
    pressure=pressure({7: "-9999", 15: "1201.00", 25: "1009.40"}),
    wind=wind({11: "-3.0"}),
    temperature=temperature({20: "NaN"}, silent=[]),
    # A bin too fast to be true, one without an answer, and one direction missing.
    currents=currents({(9, 1): ("9800", "151.0"), (22, 4): ("", ""), (30, 3): ("130", str(NO_DIRECTION))}),
)
buoy(
    "z06",
    pressure=pressure({}),
    wind=wind({3: "95.0"}),
    # The logger of the temperatures was silent for an hour.
    temperature=temperature({30: "71.00"}, silent=range(12, 18)),
    currents=currents({(5, 0): ("", "")}),
)
write("waves", "buoy.z05.20260401.000000.waves.csv", waves({(4, 1): "2400", (9, 2): ""}))
# A row that does not say when: the file is parked.
write("waves", "buoy.z06.20260401.000000.waves.csv", waves({(6, 0): ""}))
