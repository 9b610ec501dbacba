"""Counts of WHP-Exchange files by a reading of their own, for `readers/exchange.rs`.

    python count.py FILE.csv | FILE.zip

Prints casts, rows, and for each column how many values are no fill and, where
they are numbers, their sum.
"""

import io
import re
import sys
import zipfile
from collections import Counter
from math import fsum

FILL = re.compile(r"\s*(-999(\.0*)?)?\s*$")


def read(text, counts, values):
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    at = 1
    if lines[0].startswith("CTD"):
        at = 1 + int(lines[1].split("=")[1])
    names = [name.strip() for name in lines[at].split(",")]
    rows = 0
    for line in lines[at + 2:]:
        if line.strip() == "END_DATA":
            break
        if not line.strip():
            continue
        rows += 1
        for name, field in zip(names, line.split(","), strict=True):
            if FILL.match(field):
                continue
            counts[name] += 1
            try:
                values.setdefault(name, []).append(float(field))
            except ValueError:
                pass
    return rows


def main():
    counts, values, rows, casts = Counter(), {}, 0, 0
    path = sys.argv[1]
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            texts = [io.TextIOWrapper(archive.open(n), "utf-8").read() for n in archive.namelist()]
    else:
        texts = [open(path, encoding="utf-8", newline="").read()]
    for text in texts:
        casts += 1
        rows += read(text, counts, values)
    print(f"{casts} files, {rows} rows")
    for name, count in counts.items():
        print(name, count, f"{fsum(values.get(name, [])):.6f}")


main()
