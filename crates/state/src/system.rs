//! The ledger as tables for SQL: `system.files`, `system.jobs` and so on. Their
//! columns' descriptions are the reference that people read.

use lakegate_domain::DatasetName;
use lakegate_domain::ids::QUARANTINE_SUFFIX;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};

use crate::error::{Error, Result};
use crate::outcomes::ExpectationResult;
use crate::review::{self, REVIEW_TABLES, ReviewFilter, as_text};
use crate::sqlite::{Connection, Row};
use crate::store::Store;

/// What a column of a system table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    Int,
    Float,
    Text,
    Bool,
    /// An instant: milliseconds since the Unix epoch, UTC.
    TimeMs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemColumn {
    pub name: &'static str,
    pub kind: ColumnKind,
    pub doc: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemTable {
    pub name: &'static str,
    pub doc: &'static str,
    pub columns: &'static [SystemColumn],
}

/// Some rows of a system table, each with a value (or null) per column.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub rows: Vec<Vec<Value>>,
    /// Where the next page begins, unless this was the last.
    pub next: Option<Cursor>,
}

impl Cursor {
    pub(crate) fn at(key: i64) -> Self {
        Self([key, i64::MIN])
    }

    pub(crate) fn first(self) -> i64 {
        self.0[0]
    }
}

/// Where a page of a system table begins: after these keys. The default is the
/// beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor([i64; 2]);

impl Default for Cursor {
    fn default() -> Self {
        Self([i64::MIN; 2])
    }
}

/// What a reader of a system table is looking for; what is not given does not
/// narrow. Pages leave out rows of others where that spares reading them, and may
/// hold some all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    pub dataset: Option<DatasetName>,
    /// `team.dataset.table`, in the column `table_name`.
    pub table: Option<String>,
    pub file_id: Option<i64>,
}

/// A value that a stored column is compared with.
enum Bound {
    Text(String),
    Int(i64),
}

impl Narrow {
    /// Conditions on the stored tables of a reading, each with its value.
    fn conditions(&self, name: &str) -> Vec<(&'static str, Bound)> {
        let file = match name {
            "files" | "failures" | "jobs" => Some("f.file_id = ?"),
            "expectations" | "column_stats" => Some("x.file_id = ?"),
            "file_tables" => Some("r.file_id = ?"),
            _ => None,
        };
        let dataset = match name {
            "files" | "failures" | "jobs" => {
                Some("f.dataset_id = (select n.dataset_id from datasets n where n.dataset = ?)")
            }
            _ => None,
        };
        let table = match name {
            "expectations" | "column_stats" => Some(
                "exists (select 1 from file_tables r join tables n on n.table_id = r.table_id \
                 where r.file_id = x.file_id and n.table_name = ?)",
            ),
            "file_tables" | "exports" | "commits" => Some("t.table_name = ?"),
            _ => None,
        };
        let text = |value: &Option<String>| value.clone().map(Bound::Text);
        let given = [
            (file, self.file_id.map(Bound::Int)),
            (dataset, self.dataset.as_ref().map(|d| Bound::Text(d.to_string()))),
            (table, text(&self.table)),
        ];
        given.into_iter().filter_map(|(condition, value)| Some((condition?, value?))).collect()
    }
}

macro_rules! table {
    ($name:literal, $doc:literal, $($column:literal $kind:ident $about:literal,)*) => {
        SystemTable {
            name: $name,
            doc: $doc,
            columns: &[$(SystemColumn { name: $column, kind: ColumnKind::$kind, doc: $about },)*],
        }
    };
}

/// The system tables that the ledger provides, with the columns in the order of
/// their values.
pub const SYSTEM_TABLES: &[SystemTable] = &[
    table! { "files", "Every landed file: a name and its bytes.",
        "file_id" Int "Its id: `_file_id` of every row that came from it.",
        "dataset" Text "The dataset that took it, `team.dataset`.",
        "landing" Text "The landing folder.",
        "path" Text "Its path below the landing folder.",
        "state" Text "queued, leased, committed, parked, duplicate, ignored or replaced.",
        "since" TimeMs "When it came into this state.",
        "size_bytes" Int "Its size.",
        "mtime_ns" Int "Its modification time, nanoseconds since the Unix epoch.",
        "landed_at" TimeMs "When the ledger took it.",
        "fingerprint" Text "BLAKE3 of its bytes, hexadecimal.",
        "pack" Text "The file of the raw store that holds its bytes.",
        "pack_offset" Int "Where in the pack they begin.",
        "stored_bytes" Int "Their size as stored.",
        "method" Text "stored, deflate or whole.",
        "raw_gone" Bool "Whether its bytes are no longer kept.",
        "name_groups" Text "What the route's named groups captured, as JSON pairs.",
        "seq" Int "Its place in the lane.",
        "replaces" Bool "Whether it takes the place of earlier files of its path.",
        "of_file_id" Int "The original of a duplicate; the file that stands for an ignored one.",
        "replaced_by" Int "The file that took its place.",
        "code" Text "The code of the failure for which it waits.",
        "message" Text "That failure, for people.",
        "committed_at" TimeMs "When its rows were in their tables.",
        "run_id" Int "The run that committed or parked it.",
        "n_read" Int "Rows that the reader found.",
        "n_rows" Int "Rows that it has in tables.",
        "duration_ms" Int "How long its processing took.",
    },
    table! { "jobs", "Every way of a file through its lane; a redriven file has several.",
        "job_id" Int "Its id.",
        "file_id" Int "The file.",
        "dataset" Text "The file's dataset.",
        "lane" Text "The lane, as it stands in the tables' commits.",
        "seq" Int "Its place in the lane.",
        "state" Text "queued, leased, done, parked or replaced.",
        "attempts" Int "Attempts that have failed.",
        "not_before" TimeMs "When it may be tried again.",
        "accepted_volume" Bool "Whether a person has said that few rows are right.",
        "queued_at" TimeMs "When it was queued.",
        "closed_at" TimeMs "When it ended.",
    },
    table! { "runs", "Every recorded execution.",
        "run_id" Int "Its id.",
        "kind" Text "What was run: ingest, replay, maintain and so on.",
        "dataset" Text "The dataset, where it was for one.",
        "status" Text "running, succeeded, failed or interrupted.",
        "started_at" TimeMs "When it began.",
        "ended_at" TimeMs "When it ended.",
        "n_files" Int "Files that it handled.",
        "n_rows" Int "Rows that it wrote.",
        "error" Text "Why it failed.",
    },
    table! { "failures", "Every failed attempt, also those that a later one made good.",
        "failure_id" Int "Its id.",
        "file_id" Int "The file.",
        "dataset" Text "The file's dataset.",
        "path" Text "The file's path.",
        "job_id" Int "The job.",
        "run_id" Int "The run.",
        "attempt" Int "Which attempt it was, from 1.",
        "code" Text "The error code.",
        "message" Text "What happened and where.",
        "verdict" Text "What followed: retry or park.",
        "failed_at" TimeMs "When.",
    },
    table! { "expectations", "What each expectation and each quality check said of each committed file.",
        "file_id" Int "The file.",
        "table_name" Text "The table, `team.dataset.table`.",
        "name" Text "The expectation, or the check and its column.",
        "column_name" Text "The column, where it is about one of several: that in brackets in its name.",
        "on_fail" Text "What follows where it is not met.",
        "n_checked" Int "Rows, or values of a check, that it looked at.",
        "n_failed" Int "Rows or values that did not meet it.",
        "first_rows" Text "Numbers of the first such rows in the file, as JSON.",
        "first_time" Text "Of a check: the first such row's first coordinate.",
        "first_value" Text "Of a check: its value.",
        "first_times" Text "Of a check: the rows' first coordinate, as JSON.",
        "first_values" Text "Of a check: the values, as JSON.",
        "sample" Text "A value that did not meet it.",
        "checked_at" TimeMs "When the file was committed.",
    },
    table! { "file_tables", "Where the rows of each committed file went. \
        n_in = n_committed + n_quarantined + n_dropped + n_duplicate.",
        "file_id" Int "The file.",
        "table_name" Text "The table, `team.dataset.table`.",
        "n_in" Int "Rows after the transform, or on the grid.",
        "n_read" Int "Rows from the reader; none for a table that is made of another.",
        "n_committed" Int "Rows in the table.",
        "n_quarantined" Int "Rows in the table's quarantine.",
        "n_dropped" Int "Rows dropped by an expectation.",
        "n_duplicate" Int "Rows removed as duplicates.",
    },
    table! { "exports", "Files for others, made of tables' rows.",
        "table_name" Text "The table, `team.dataset.table`.",
        "part" Text "The rows that it holds: those of a landed file, a day or a month.",
        "path" Text "Its path below `export/` of the storage; null while there is no file.",
        "n_rows" Int "Its rows.",
        "size_bytes" Int "Its size.",
        "n_plots" Int "Plots of its variables beside it.",
        "plots" Text "Their paths below `export/`, as JSON.",
        "made_at" TimeMs "When it was made.",
        "error" Text "Why the last attempt to make it failed.",
    },
    table! { "column_stats", "What the columns of each committed file hold.",
        "file_id" Int "The file.",
        "table_name" Text "The table, `team.dataset.table`.",
        "column_name" Text "The column.",
        "n_values" Int "Values, nulls included.",
        "n_nulls" Int "Nulls.",
        "min" Text "The least value.",
        "max" Text "The greatest value.",
        "mean" Float "The mean, of numbers.",
        "n_distinct" Int "Distinct values, as far as they were counted.",
    },
    table! { "review", "Every file that has landed and stands, and every stray: what it is, and how much is wrong \
        with it.",
        "file_id" Int "The file; null for a stray.",
        "dataset" Text "The file's dataset, `team.dataset`.",
        "landing" Text "The landing folder.",
        "path" Text "Its path below the landing folder.",
        "state" Text "queued, leased, committed, parked, duplicate or stray; read or failed where nothing landed.",
        "kind" Text "The formats of its documents, by their bytes; unknown where no reader recognises them.",
        "n_documents" Int "Documents: the file itself, or members of the archive that it is.",
        "n_rows" Int "Rows of its documents.",
        "n_parameters" Int "Its columns, those of flags aside.",
        "n_values" Int "Values in all its columns: what is no missing value.",
        "n_errors" Int "Problems for which its rows, or some, are in no table.",
        "n_warnings" Int "Problems of rows that are in a table: rules that are broken and accepted, expectations that are not met.",
        "n_notes" Int "Parameters and units that are on no list.",
        "code" Text "The code of the failure for which it waits; why a stray is one.",
        "message" Text "That failure, for people.",
        "size_bytes" Int "Its size.",
    },
    table! { "file_columns", "The columns of each file as the file spells them, with the statistics of what became of them.",
        "file_id" Int "The file.",
        "dataset" Text "The file's dataset.",
        "path" Text "The file's path.",
        "kind" Text "The format of the documents that have it.",
        "parameter" Text "The column's name in the file.",
        "unit" Text "Its unit: the file's, or the one that the dataset says its values have.",
        "is_known" Bool "Whether the format's list has this parameter with this unit; null where there is no list.",
        "is_flag" Bool "Whether it holds the flags of another one.",
        "n_rows" Int "Rows of the documents that have it.",
        "n_values" Int "Its values: what is no missing value.",
        "table_name" Text "The table that its rows go to, `team.dataset.table`.",
        "column_name" Text "The table's column that is made of it; null where a transform decides.",
        "min" Text "That column's least value among the file's rows, in the table's unit.",
        "max" Text "Its greatest value.",
        "mean" Float "Its mean, of numbers.",
        "n_distinct" Int "Its distinct values, as far as they were counted.",
    },
    table! { "problems", "Everything that is wrong with each file.",
        "file_id" Int "The file; null for a stray.",
        "dataset" Text "The file's dataset.",
        "path" Text "The file's path.",
        "severity" Text "error (rows that should be in a table are not), warning (they are, and something is wrong) or note.",
        "code" Text "The error code.",
        "rule" Text "The rule of the format that is broken, the expectation that is not met, or why a stray is one.",
        "member" Text "The first member of an archive in which it stands.",
        "line" Int "Its first line there.",
        "message" Text "What it is.",
        "n" Int "How often it stands in the file; of an expectation the rows.",
    },
    table! { "census", "Which parameter, with which unit, in how many files. Those of files that are read count, and those \
        of WHP-Exchange files that are parked; bytes that came twice count once.",
        "dataset" Text "The files' dataset.",
        "kind" Text "The format of the documents that have it.",
        "parameter" Text "The column's name in the files.",
        "unit" Text "Its unit.",
        "is_known" Bool "Whether the format's list has this parameter with this unit; null where there is no list.",
        "n_files" Int "Files that have it.",
        "n_rows" Int "Rows of the documents that have it.",
        "n_values" Int "Its values: what is no missing value.",
        "first_path" Text "The first of those files.",
    },
    table! { "commits", "Every commit to a table.",
        "table_name" Text "The table, `team.dataset.table`.",
        "version" Int "The version that it made.",
        "lane" Text "The lane of its token.",
        "seq" Int "The seq of its token.",
        "n_files" Int "Landed files whose rows it holds.",
        "n_rows" Int "Rows that it wrote.",
        "n_added" Int "Data files that it added.",
        "n_removed" Int "Data files that it removed.",
        "size_bytes" Int "Size of the data files that it added.",
        "operation" Text "ingest, compact, replay, quarantine and so on.",
        "committed_at" TimeMs "When.",
    },
    table! { "lineage", "Which files a table's rows come from. Files that were replaced are left out.",
        "file_id" Int "The file.",
        "dataset" Text "The file's dataset.",
        "path" Text "The file's path.",
        "table_name" Text "The table or quarantine table that holds its rows.",
        "version" Int "The version with which they came; null where a commit's acknowledgement was lost.",
        "n_rows" Int "How many.",
        "committed_at" TimeMs "When the file was committed.",
    },
    table! { "strays", "Files in landing folders that go nowhere.",
        "landing" Text "The landing folder.",
        "path" Text "The path below it.",
        "reason" Text "unmatched, ambiguous or unreadable.",
        "detail" Text "What to look at.",
        "size_bytes" Int "Its size.",
        "since" TimeMs "Since when.",
    },
    table! { "leases", "Every lane: how far it is, and who holds it.",
        "lane" Text "The lane, as it stands in the tables' commits.",
        "dataset" Text "Its dataset.",
        "last_seq" Int "The last seq that was handed out.",
        "n_open" Int "Jobs that are queued or leased.",
        "owner" Text "Who holds it.",
        "leased_until" TimeMs "Until when, unless it is renewed.",
    },
    table! { "polls", "Every request of every poll of a feed, for as long as `keep_polls` says.",
        "poll_id" Int "Its id.",
        "dataset" Text "The feed's dataset, `team.dataset`.",
        "step" Text "feed (what lands), list (of a fan-out's items), page (of links) or link (what one leads to).",
        "item" Text "The item of a fan-out, the page's number, or the link's file.",
        "due_at" TimeMs "The tick that it was for.",
        "started_at" TimeMs "When it began.",
        "duration_ms" Int "How long it took to the last byte, with all attempts and the waits between them.",
        "status" Int "The last answer's status; null where there was no answer.",
        "size_bytes" Int "Bytes of the answer, unpacked.",
        "attempts" Int "How often it was tried.",
        "n_missed" Int "Ticks before this one that nothing was polled for.",
        "identical" Bool "Whether the answer was the same as the one before, so that nothing landed.",
        "path" Text "Where the answer landed, below the dataset's landing folder.",
        "fingerprint" Text "BLAKE3 of the answer, hexadecimal.",
        "etag" Text "What the server calls this state of its answer.",
        "n_entities" Int "Entities that ingesting it found; null until then.",
        "newest_at" TimeMs "The newest time that ingesting it found; null until then.",
        "error" Text "Why it failed.",
    },
];

/// How a system table is read, page by page: each page takes so many rows of
/// one stored table in the order of its whole key. A table without a key is read
/// in one page; it is never long.
struct Reading {
    /// The stored table, its alias in the statement, and its key.
    by: Option<(&'static str, &'static str, &'static [&'static str])>,
    /// Rows of the stored table per page.
    page: u32,
    /// With `$page` for the condition that narrows it to a page.
    statement: &'static str,
}

const PAGE: u32 = 4096;
/// A file's details unfold to many rows.
const PAGE_OF_DETAILS: u32 = 256;

/// How a table is read; the two that are unfolded from JSON select `file_id,
/// committed_at, json`.
fn reading(table: &str) -> Option<Reading> {
    let read = |by, page, statement| Some(Reading { by, page, statement });
    match table {
        "files" => read(
            Some(("files", "f", &["file_id"])),
            PAGE,
            "select f.file_id, d.dataset, z.landing, p.path, f.state, f.since, f.size_bytes, f.mtime_ns, \
             f.landed_at, f.fingerprint, f.pack, f.pack_offset, f.stored_bytes, f.method, f.raw_gone, \
             f.name_groups, f.seq, f.replaces, f.of_file_id, f.replaced_by, e.code, e.message, f.committed_at, \
             f.run_id, f.n_read, f.n_rows, f.duration_ms from files f \
             join datasets d on d.dataset_id = f.dataset_id join paths p on p.path_id = f.path_id \
             join zones z on z.zone_id = p.zone_id left join failures e on e.failure_id = f.failure_id \
             where $page order by f.file_id",
        ),
        "jobs" => read(
            Some(("jobs", "j", &["job_id"])),
            PAGE,
            "select j.job_id, j.file_id, d.dataset, l.lane, j.seq, \
             case when j.open = 1 then f.state else j.result end, j.attempts, \
             case when j.not_before > 0 then j.not_before end, j.accepted_volume, j.queued_at, j.closed_at \
             from jobs j join files f on f.file_id = j.file_id join lanes l on l.lane_id = j.lane_id \
             join datasets d on d.dataset_id = f.dataset_id where $page order by j.job_id",
        ),
        "runs" => read(
            Some(("runs", "r", &["run_id"])),
            PAGE,
            "select r.run_id, r.kind, d.dataset, r.status, r.started_at, r.ended_at, r.n_files, r.n_rows, r.error \
             from runs r left join datasets d on d.dataset_id = r.dataset_id where $page order by r.run_id",
        ),
        "failures" => read(
            Some(("failures", "e", &["failure_id"])),
            PAGE,
            "select e.failure_id, e.file_id, d.dataset, p.path, e.job_id, e.run_id, e.attempt, e.code, e.message, \
             e.verdict, e.failed_at from failures e join files f on f.file_id = e.file_id \
             join paths p on p.path_id = f.path_id join datasets d on d.dataset_id = f.dataset_id \
             where $page order by e.failure_id",
        ),
        "expectations" => read(
            Some(("file_details", "x", &["file_id"])),
            PAGE_OF_DETAILS,
            "select f.file_id, f.committed_at, x.expectations from file_details x \
             join files f on f.file_id = x.file_id where x.expectations <> '[]' and $page order by f.file_id",
        ),
        "column_stats" => read(
            Some(("file_details", "x", &["file_id"])),
            PAGE_OF_DETAILS,
            "select f.file_id, f.committed_at, x.column_stats from file_details x \
             join files f on f.file_id = x.file_id where x.column_stats <> '' and $page order by f.file_id",
        ),
        "file_tables" => read(
            Some(("file_tables", "r", &["file_id", "table_id"])),
            PAGE,
            "select r.file_id, t.table_name, r.n_in, r.n_read, r.n_committed, r.n_quarantined, r.n_dropped, \
             r.n_duplicate from file_tables r join tables t on t.table_id = r.table_id \
             where $page order by r.file_id, r.table_id",
        ),
        "exports" => read(
            Some(("exports", "e", &["export_id"])),
            PAGE,
            "select t.table_name, e.part, e.path, e.n_rows, e.size_bytes, \
             (select count(*) from export_plots p where p.export_id = e.export_id), \
             (select json_group_array(p.path) from (select path from export_plots o \
              where o.export_id = e.export_id order by o.path) p), e.made_at, e.error from exports e \
             join tables t on t.table_id = e.table_id where $page order by e.export_id",
        ),
        "commits" => read(
            Some(("commits", "c", &["table_id", "version"])),
            PAGE,
            "select t.table_name, c.version, c.lane, c.seq, c.n_files, c.n_rows, c.n_added, c.n_removed, \
             c.size_bytes, c.operation, c.committed_at from commits c join tables t on t.table_id = c.table_id \
             where $page order by c.table_id, c.version",
        ),
        "lineage" => read(
            Some(("file_tables", "r", &["file_id", "table_id"])),
            PAGE,
            "with here as (select * from file_tables r where $page) \
             select f.file_id, d.dataset, p.path, x.table_name, x.version, x.n_rows, f.committed_at from ( \
               select r.file_id, t.table_name, r.version, r.n_committed as n_rows from here r \
               join tables t on t.table_id = r.table_id where r.n_committed > 0 \
               union all \
               select r.file_id, t.table_name || '$quarantine', r.quarantine_version, r.n_quarantined \
               from here r join tables t on t.table_id = r.table_id where r.n_quarantined > 0) x \
             join files f on f.file_id = x.file_id join paths p on p.path_id = f.path_id \
             join datasets d on d.dataset_id = f.dataset_id where f.state = 'committed' \
             order by f.file_id, x.table_name",
        ),
        "strays" => read(
            None,
            0,
            "select z.landing, s.path, s.reason, s.detail, s.size_bytes, s.since from strays s \
             join zones z on z.zone_id = s.zone_id order by z.landing, s.path",
        ),
        "leases" => read(
            None,
            0,
            "select l.lane, d.dataset, l.last_seq, \
             (select count(*) from jobs j where j.lane_id = l.lane_id and j.open = 1), l.owner, l.leased_until \
             from lanes l join datasets d on d.dataset_id = l.dataset_id order by l.lane",
        ),
        "polls" => read(
            Some(("polls", "p", &["poll_id"])),
            PAGE,
            "select p.poll_id, d.dataset, p.step, p.item, p.due_at, p.started_at, p.duration_ms, p.status, \
             p.size_bytes, p.attempts, p.n_missed, p.identical, p.path, p.fingerprint, p.etag, p.n_entities, \
             p.newest_at, p.error from polls p join datasets d on d.dataset_id = p.dataset_id \
             where $page order by p.poll_id",
        ),
        _ => None,
    }
}

/// The key of the page's last row, where another page follows it.
async fn page_end(conn: &mut Connection, reading: &Reading, after: Cursor) -> Result<Option<Cursor>> {
    let Some((table, _, key)) = reading.by else { return Ok(None) };
    let (columns, marks) = (key.join(", "), vec!["?"; key.len()].join(", "));
    let sql = format!(
        "select {columns} from {table} where ({columns}) > ({marks}) order by {columns} limit 1 offset {}",
        reading.page - 1
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in &after.0[..key.len()] {
        query = query.bind(value);
    }
    let Some(row) = query.fetch_optional(conn).await? else { return Ok(None) };
    let mut end = Cursor::default();
    for (i, value) in end.0.iter_mut().enumerate().take(key.len()) {
        *value = row.try_get(i)?;
    }
    Ok(Some(end))
}

/// The rows after one key, up to another.
async fn page_rows(
    conn: &mut Connection,
    reading: &Reading,
    narrow: Vec<(&'static str, Bound)>,
    after: Cursor,
    end: Option<Cursor>,
) -> Result<Vec<Row>> {
    let mut sql = reading.statement.replace("$quarantine", QUARANTINE_SUFFIX);
    let mut bounds: Vec<i64> = Vec::new();
    if let Some((_, alias, key)) = reading.by {
        let columns: Vec<String> = key.iter().map(|k| format!("{alias}.{k}")).collect();
        let (columns, marks) = (columns.join(", "), vec!["?"; key.len()].join(", "));
        let mut range = format!("({columns}) > ({marks})");
        bounds.extend(&after.0[..key.len()]);
        if let Some(end) = end {
            range += &format!(" and ({columns}) <= ({marks})");
            bounds.extend(&end.0[..key.len()]);
        }
        for (condition, _) in &narrow {
            range += &format!(" and {condition}");
        }
        sql = sql.replace("$page", &range);
    }
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in bounds {
        query = query.bind(value);
    }
    for (_, value) in narrow {
        query = match value {
            Bound::Text(text) => query.bind(text),
            Bound::Int(n) => query.bind(n),
        };
    }
    Ok(query.fetch_all(conn).await?)
}

impl Store {
    /// The rows of a system table that follow `after`, some thousands at most,
    /// with all those that are looked for; `None` if there is no table of that
    /// name. What is written between two pages may be in the later one.
    pub async fn system_page(&self, name: &str, narrow: &Narrow, after: Cursor) -> Result<Option<Page>> {
        if REVIEW_TABLES.contains(&name) {
            let filter = ReviewFilter { dataset: narrow.dataset.clone(), landing: None };
            let (rows, next) = review::system_rows(&mut *self.read().await?, name, &filter, after).await?;
            return Ok(Some(Page { rows, next }));
        }
        let (Some(table), Some(reading)) = (SYSTEM_TABLES.iter().find(|t| t.name == name), reading(name))
        else {
            return Ok(None);
        };
        let mut tx = self.read().await?;
        let next = page_end(&mut tx, &reading, after).await?;
        let found = page_rows(&mut tx, &reading, narrow.conditions(name), after, next).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            match name {
                "expectations" => unfold_expectations(row, &mut rows)?,
                "column_stats" => unfold_column_stats(row, &mut rows)?,
                _ => rows.push(values(row, table.columns)?),
            }
        }
        Ok(Some(Page { rows, next }))
    }
}

fn values(row: &Row, columns: &[SystemColumn]) -> Result<Vec<Value>> {
    let value = |(i, column): (usize, &SystemColumn)| -> Result<Value> {
        Ok(match column.kind {
            ColumnKind::Int | ColumnKind::TimeMs => row.try_get::<Option<i64>, _>(i)?.into(),
            ColumnKind::Float => row.try_get::<Option<f64>, _>(i)?.into(),
            ColumnKind::Text => row.try_get::<Option<String>, _>(i)?.into(),
            ColumnKind::Bool => row.try_get::<Option<bool>, _>(i)?.into(),
        })
    };
    columns.iter().enumerate().map(value).collect()
}

fn unfold_expectations(row: &Row, rows: &mut Vec<Vec<Value>>) -> Result<()> {
    let file_id: i64 = row.try_get(0)?;
    let committed_at: Option<i64> = row.try_get(1)?;
    let results: Vec<ExpectationResult> = serde_json::from_str(row.try_get(2)?)
        .map_err(|e| Error::corrupt(format!("the expectations of f{file_id} are not readable ({e})")))?;
    rows.extend(results.into_iter().map(|r| {
        vec![
            file_id.into(),
            r.table.to_string().into(),
            r.name.as_str().into(),
            r.column().into(),
            r.on_fail.into(),
            r.n_checked.into(),
            r.n_failed.into(),
            Value::from(r.first_rows).to_string().into(),
            r.first_times.first().cloned().into(),
            r.first_values.first().cloned().into(),
            Value::from(r.first_times).to_string().into(),
            Value::from(r.first_values).to_string().into(),
            r.sample.into(),
            committed_at.into(),
        ]
    }));
    Ok(())
}

fn unfold_column_stats(row: &Row, rows: &mut Vec<Vec<Value>>) -> Result<()> {
    let file_id: i64 = row.try_get(0)?;
    let damaged = |what: &str| Error::corrupt(format!("the column statistics of f{file_id} are not {what}"));
    let stats: Value = serde_json::from_str(row.try_get(2)?).map_err(|_| damaged("JSON"))?;
    let tables = stats.as_object().ok_or_else(|| damaged("an object of tables"))?;
    for (table, columns) in tables {
        let columns = columns.as_object().ok_or_else(|| damaged("an object of columns"))?;
        for (column, figures) in columns {
            let figure = |name: &str| figures.get(name).cloned().unwrap_or(Value::Null);
            let integer = |name: &str| figure(name).as_i64().into();
            rows.push(vec![
                file_id.into(),
                table.as_str().into(),
                column.as_str().into(),
                integer("count"),
                integer("nulls"),
                as_text(figure("min")),
                as_text(figure("max")),
                figure("mean").as_f64().into(),
                integer("distinct"),
            ]);
        }
    }
    Ok(())
}
