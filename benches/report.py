"""What was found: docs/benchmarks.json keeps every full run, docs/benchmarks.md
shows the newest of each part beside what was aimed for."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path

ORDER = ["bulk", "small", "scale", "fresh", "serve", "feeds", "tsdat", "month"]
#: Peak resident memory that a bulk load may take.
PEAK_MIB = 512


def machine() -> dict:
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def peers() -> dict:
    names = ["duckdb", "polars", "deltalake", "pyarrow", "dlt"]
    return {name: importlib.metadata.version(name) for name in names}


def keep(docs: Path, record: dict) -> None:
    path = docs / "benchmarks.json"
    records = json.loads(path.read_text()) if path.exists() else []
    records.append(record)
    path.write_text(json.dumps(records, indent=1) + "\n")
    (docs / "benchmarks.md").write_text(page(records))


def verdict(met: bool, aim: str) -> str:
    return f"aim: {aim} — **{'met' if met else 'missed'}**"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---" if i == 0 else "---:" for i in range(len(head))) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def section(record: dict) -> list[str]:
    sections = {"bulk": bulk, "small": small, "scale": scale, "fresh": fresh, "serve": serve, "feeds": feeds, "tsdat": tsdat, "month": month}
    return sections[record["part"]](record)


def bulk(record: dict) -> list[str]:
    lines = [
        f"The same {record['n_rows']:,} rows as CSV, NDJSON and Parquet into a Delta table partitioned by service date "
        f"(10 dates). Median of {record['runs']}, warm cache. lakegate's time is that of the whole process, tracking, "
        "keeping of raw bytes and `fsync` included; a peer's is without the start of Python.",
        "",
    ]
    for format, found in record["formats"].items():
        ours = found["contenders"]["lakegate"]
        rows = []
        for name, c in found["contenders"].items():
            rate = found["source_mib"] / c["median_s"]
            ratio = c["median_s"] / ours["median_s"]
            shown = "" if name == "lakegate" else f"{ratio:.2f} ×"
            rows.append(
                [name, f"{c['median_s']:.2f} s", f"{rate:.0f} MiB/s", shown, f"{c['peak_mib']:,} MiB", f"{c['table_mib']:,} MiB"]
            )
        lines += [f"**{format}**, {found['source_mib']:,} MiB", ""]
        lines += table(["", "time", "of the source", "time, lakegate = 1", "peak memory", "written"], rows)
        lines.append("")
        for name, c in found["contenders"].items():
            if name.endswith("+ delta-rs"):
                lines.append("- " + verdict(ours["median_s"] <= c["median_s"], f"at least as fast as {name}"))
        lines += [
            "- " + verdict(ours["peak_mib"] < PEAK_MIB, f"peak memory under {PEAK_MIB} MiB"),
            "",
        ]
    return lines


def small(record: dict) -> list[str]:
    all_of_them = record["contenders"]
    ours = all_of_them["lakegate"]

    def ratio(name: str) -> float:
        return all_of_them[name]["median_s"] / ours["median_s"]

    rows = [
        [
            name,
            f"{c['median_s']:.2f} s" + (" (projected)" if "projected_from" in c else ""),
            f"{c['n_files'] / c['median_s']:,.0f}",
            "" if name == "lakegate" else f"{ratio(name):.1f} ×",
            f"{c['peak_mib']:,} MiB",
        ]
        for name, c in all_of_them.items()
    ]
    measured = all_of_them["dlt, read_csv"]["projected_from"]
    return [
        f"{record['n_files']:,} CSV files of {record['rows_each']} rows into a Delta table partitioned by service date. Median "
        f"of {record['runs']}, warm cache. lakegate tracks each file exactly once and keeps its bytes; the job by hand "
        f"tracks nothing. dlt was measured on {measured[0]['n_files']:,} and {measured[1]['n_files']:,} files and carried on in "
        "a straight line.",
        "",
        *table(["", "time", "files/s", "time, lakegate = 1", "peak memory"], rows),
        "",
        "- " + verdict(ratio("dlt, read_csv") >= 20, "20 times dlt's default CSV reader"),
        "- " + verdict(ratio("dlt, Arrow reader") >= 8, "8 times dlt with an Arrow reader"),
        "- " + verdict(ratio("delta-rs by hand, 100 files a commit") >= 1, "no slower than the job by hand"),
        "",
    ]


def flat(values: list[float]) -> float:
    """How far the largest is above the first, as a share."""
    return max(values) / values[0] - 1


def scale(record: dict) -> list[str]:
    known, live = record["known_files"], record["live_files"]
    per_file = flat([k["per_file_ms"] for k in known])
    per_commit = flat([c["per_commit_ms"] for c in live])
    idle = known[-1]["idle_s"]
    return [
        f"A lake that grows. At each size a run without news, and a run that loads {record['new_files']:,} new files of "
        f"{record['rows_each']} rows; the cost of a file is the difference. Every known file stays in the landing folder. "
        f"Median of {record['runs']}.",
        "",
        *table(
            ["files known", "idle run", "run with new files", "cost of a file", "peak memory"],
            [
                [f"{k['known']:,}", f"{k['idle_s']:.2f} s", f"{k['run_s']:.2f} s", f"{k['per_file_ms']:.3f} ms", f"{k['peak_mib']} MiB"]
                for k in known
            ],
        ),
        "",
        "- " + verdict(per_file <= 0.2, f"cost of a file flat within 20 % (largest {per_file:+.0%} of the first)"),
        "- " + verdict(idle <= 5, f"an idle run over {known[-1]['known']:,} known files within a few seconds"),
        "",
        "Commits of one small file each into a table with ever more live data files; the cost is the difference between "
        "many commits and one.",
        "",
        *table(
            ["live data files", "run with one commit", "cost of a commit"],
            [[f"{c['live_files']:,}", f"{c['one_s']:.2f} s", f"{c['per_commit_ms']:.1f} ms"] for c in live],
        ),
        "",
        "- " + verdict(per_commit <= 0.2, f"cost of a commit flat (largest {per_commit:+.0%} of the first)"),
        "",
    ]


def fresh(record: dict) -> list[str]:
    ways = record["ways"]
    worst = max(w["median_s"] for w in ways.values())
    return [
        f"`lakegate up` watches a folder; another process reads the table with delta-rs every 10 ms until it counts the new "
        f"rows. {record['runs']} files of 100 rows for each way, default batching. The time begins with the rename, or with "
        "the last byte.",
        "",
        *table(
            ["how the file came", "median", "worst"],
            [[way, f"{w['median_s']:.2f} s", f"{w['worst_s']:.2f} s"] for way, w in ways.items()],
        ),
        "",
        "- " + verdict(worst < 1, "median under 1 s"),
        "",
    ]


def serve(record: dict) -> list[str]:
    rows = [[f"{record[key]:,} ms" for key in ("p50_ms", "p90_ms", "p99_ms", "worst_ms")]]
    return [
        f"`/feeds/past/routes/{{route}}/{{yyyy}}/{{mm}}/{{dd}}/{{hh}}` as JSON, {record['rate']} requests a second for "
        f"{record['took_s']:.0f} s, hours and routes by chance, from a table of {record['n_rows']:,} rows over 30 days; "
        f"{record['rows_per_answer']} rows an answer. The same `lakegate up` polls and loads five feeds every five seconds "
        f"({record['n_polls']} polls); the client runs on the same machine. The time of an answer begins when its request was "
        "due, so that waiting counts.",
        "",
        *table(["median", "90 %", "99 %", "worst"], rows),
        "",
        f"- processor of `lakegate up`: {record['cpu_share']} cores; peak memory {record['peak_mib']:,} MiB",
        "- " + verdict(record["p99_ms"] < 300, "99 % of the answers within 300 ms"),
        "",
    ]


def feeds(record: dict) -> list[str]:
    return [
        f"{record['n_feeds']:,} feeds, each a dataset with a table of its own, polled every {record['every_s']} s by one "
        f"`lakegate up`, half of them protobuf, half JSON, 72 vehicles each; {record['seconds']} s after the first minute. The "
        "simulator that answers runs on the same machine.",
        "",
        *table(
            ["polls", "failed", "ticks missed", "mean poll", "cores", "peak memory", "files parked"],
            [
                [
                    f"{record['polls']:,}",
                    str(record["failed"]),
                    str(record["missed"]),
                    f"{record['mean_ms']:.1f} ms",
                    str(record["cores"]),
                    f"{record['peak_mib']:,} MiB",
                    str(record["n_parked"]),
                ]
            ],
        ),
        "",
        "- " + verdict(record["cores"] < 1, "less than one core"),
        "- " + verdict(record["peak_mib"] <= 1024, "at most 1 GiB"),
        "",
    ]


def month(record: dict) -> list[str]:
    days = record["days"]
    rows = [
        [
            str(d["day"]),
            f"{d['live_files']:,}",
            f"{d['live_files_per_day_most']} / {d['live_files_per_day_mean']}",
            f"{d['raw_files']:,} / {d['raw_files_most']:,}",
            f"{d['ledger_mib']:,} MiB",
            f"{d['per_poll_ms']:.2f} ms",
            f"{d['maintain_s']:.2f} s",
            f"{d['peak_mib']} MiB",
        ]
        for d in (days if len(days) <= 7 else [days[i * (len(days) - 1) // 6] for i in range(7)])
    ]
    drift = days[-1]["per_poll_ms"] / days[0]["per_poll_ms"] - 1
    return [
        f"{record['feeds']} feeds, {len(days)} days, {record['polls_per_hour']} polls an hour: {record['n_polls']:,} answers of "
        f"{record['vehicles']} vehicles as CSV, each a commit of its own, deduplicated by vehicle and time; {record['n_rows']:,} "
        "rows stayed, as many as the generator counted. Time is compressed: answers land as fast as they are taken, ten "
        "polls to a `lakegate run`, which compacts at its end, and `lakegate maintain` follows each simulated hour.",
        "",
        *table(
            ["after day", "live files", "of one feed and day, most / mean", "raw files, bundled / before", "ledger", "a poll", "upkeep of an hour", "peak memory"],
            rows,
        ),
        "",
        "- " + verdict(max(d["live_files_per_day_most"] for d in days) <= 32, "at most 32 live files of a feed and day"),
        "- " + verdict(drift <= 0.2, f"cost of a poll flat within 20 % (last day {drift:+.0%} of the first)"),
        f"- `lakegate prove` over all of it: {record['prove_s']} s",
        "",
    ]


def tsdat(record: dict) -> list[str]:
    daily, large = record["daily"], record["large"]

    def rows(found: dict) -> list[list[str]]:
        ours, theirs = found["lakegate"], found["tsdat"]
        shown = [
            ("lakegate", ours["median_s"], ours["peak_mib"]),
            ("tsdat", theirs["median_s"], theirs["peak_mib"]),
            ("tsdat, without start and imports", theirs["without_imports_s"], theirs["peak_mib"]),
        ]
        return [
            [name, f"{s:.3f} s", "" if name == "lakegate" else f"{s / ours['median_s']:.1f} ×", f"{mib:,} MiB"]
            for name, s, mib in shown
        ]

    def verdicts(found: dict, wanted: int, of: str) -> list[str]:
        ours, theirs = found["lakegate"], found["tsdat"]
        bare = theirs["without_imports_s"] / ours["median_s"]
        return [
            "- " + verdict(theirs["median_s"] / ours["median_s"] >= wanted, f"{wanted} times faster {of}, from start to end of the process")
            + f"; tsdat without its imports: {bare:.1f} times",
            "- " + verdict(ours["peak_mib"] < theirs["peak_mib"], "less memory than tsdat"),
        ]

    def same(found: dict) -> str:
        c = found["compared"]
        plots = f", {c['n_plots']} plots" if c["n_plots"] else ""
        return (
            f"The {c['n_netcdf']} netCDF files of both hold the same: {c['n_times']:,} times, {c['n_values']:,} values and flags, "
            f"{c['n_flagged']:,} of the flags set{plots}."
        )

    head = ["", "time", "time, lakegate = 1", "peak memory"]
    return [
        "One configuration: tsdat runs it, lakegate runs what `lakegate import tsdat` makes of it. CSV of waves with missing "
        "values, spikes and values out of range; 12 variables, one of them converted, 14 with the static ones; 7 quality "
        "checks; netCDF. lakegate's time is that of `lakegate run` on a file that has just landed, from start to end of the "
        "process, with a Delta table, the kept raw bytes, the ledger and `fsync` besides; tsdat's that of the Python process. "
        "netCDF is deflated and shuffled by both, at level 1.",
        "",
        f"**One daily file**, {daily['rows']:,} rows, 12 plots as PNG: tsdat's by matplotlib in `hook_plot_dataset`, "
        f"lakegate's by `plots:`. Median of {record['runs']} consecutive days, each after the day before.",
        "",
        *table(head, rows(daily)),
        "",
        same(daily),
        "",
        *verdicts(daily, 100, "per run, plots included"),
        "",
        f"**One large file**, {large['source_mib']:,} MiB, {large['rows']:,} rows, no plots. Median of {record['large_runs']}; "
        f"lakegate with `memory: {large['memory']}`.",
        "",
        *table(head, rows(large)),
        "",
        same(large),
        "",
        *verdicts(large, 20, "on 100 MB of CSV"),
        "",
    ]


TITLES = {
    "bulk": "One large file",
    "small": "Ten thousand small files",
    "scale": "A growing lake",
    "fresh": "From a landed file to readable rows",
    "serve": "An hour of a route over HTTP",
    "feeds": "A thousand feeds",
    "tsdat": "A pipeline of tsdat",
    "month": "A month of feeds",
}


def idle(record: dict) -> str:
    """How busy the machine was with other things, as far as it is known."""
    busy = record.get("load_before")
    if busy is None:
        return "Whether the machine was idle was not kept."
    return f"Load of the machine before: {busy}."


def page(records: list[dict]) -> str:
    lines = [
        "# Benchmarks",
        "",
        "Written by `benches/run.sh`; do not edit. Every run so far is in [benchmarks.json](benchmarks.json). Peers are "
        "installed from PyPI into a virtual environment. Ratios are of one run on one machine; on yours they differ.",
        "",
    ]
    for part in ORDER:
        newest = next((r for r in reversed(records) if r["part"] == part), None)
        if newest is None:
            continue
        m = newest["machine"]
        versions = ", ".join(f"{n} {v}" for n, v in newest["peers"].items())
        lines += [
            f"## {TITLES[part]}",
            "",
            f"`{newest['command']}` on {newest['at'][:10]}: {m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, "
            f"{m['kernel']}; {newest['lakegate']}; {versions}. {idle(newest)}",
            "",
            *section(newest),
        ]
    return "\n".join(lines).rstrip() + "\n"
