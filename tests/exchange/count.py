#!/usr/bin/env python3
"""Counts WHP-Exchange files by the plainest means, with nothing but Python: the
figures that the tests of the reader and of `lakegate review` expect.

    tests/exchange/count.py FILE...

For each file, which may be a zip of casts: kinds, documents, rows, and for each
parameter and unit the rows of the documents that have it, its values (-999 in any
precision, or nothing, is none) and the sum of those that are numbers.
"""

import sys
import zipfile
from collections import defaultdict


def documents(path):
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if not name.endswith("/"):
                    yield archive.read(name).decode("utf-8")
    else:
        with open(path, encoding="utf-8") as file:
            yield file.read()


def is_value(field):
    try:
        return float(field) != -999
    except ValueError:
        return field != ""


def count(path):
    kinds, n_documents, n_rows = set(), 0, 0
    found = defaultdict(lambda: [0, 0, 0.0])
    for text in documents(path):
        n_documents += 1
        lines = iter(text.splitlines())
        kind = next(lines).split(",")[0]
        kinds.add(kind)
        lines = (line for line in lines if not line.startswith("#"))
        header = {}
        if kind == "CTD":
            n = int(next(lines).split("=")[1])
            header = dict([part.strip() for part in next(lines).split("=", 1)] for _ in range(n - 1))
        names = [name.strip() for name in next(lines).split(",")]
        units = [unit.strip() for unit in next(lines).split(",")]
        for line in lines:
            if line.strip() == "END_DATA":
                break
            if not line.strip():
                continue
            n_rows += 1
            fields = [field.strip() for field in line.split(",")]
            pairs = [((key, ""), value) for key, value in header.items()]
            pairs += zip(zip(names, units), fields, strict=True)
            for pair, field in pairs:
                figures = found[pair]
                figures[0] += 1
                if is_value(field):
                    figures[1] += 1
                    try:
                        figures[2] += float(field)
                    except ValueError:
                        pass
    print(f"{path}: {', '.join(sorted(kinds))}, {n_documents} documents, {n_rows} rows, "
          f"{len(found)} parameters and flags")
    print("parameter,unit,rows,values,sum")
    for (name, unit), (rows, values, total) in sorted(found.items()):
        print(f"{name},{unit},{rows},{values},{total:.6f}")


for argument in sys.argv[1:]:
    count(argument)
