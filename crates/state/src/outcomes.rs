//! What became of a claimed file: committed, to be tried again, or parked.

use std::collections::HashMap;

use lakegate_domain::job::FileState;
use lakegate_domain::review::Contents;
use lakegate_domain::{Failure, FileId, LaneName, RunId, Seq, TableName};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::bulk;
use crate::error::{Error, Result};
use crate::exports;
use crate::intern::Tables;
use crate::lanes::{held, replaced_files};
use crate::originals;
use crate::review::{self, Shapes};
use crate::sqlite::Connection;
use crate::store::{Millis, Store, signed, unsigned};
use crate::tables::{CommitRecord, record};

/// What was done with one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub file_id: FileId,
    pub job_id: i64,
    pub tables: Vec<TableRows>,
    /// JSON: `{ "<team.dataset.table>": { "<column>": { "count", "nulls", "min",
    /// "max", "mean", "distinct" } } }`; empty for none.
    pub column_stats: String,
    /// Rows that the reader found.
    pub n_read: u64,
    pub duration_ms: u64,
    pub expectations: Vec<ExpectationResult>,
    pub contents: Contents,
}

/// Where the rows of one file went, for one table. Conservation: `n_in` =
/// `n_committed` + `n_quarantined` + `n_dropped` + `n_duplicate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    pub table: TableName,
    /// After the transform.
    pub n_in: u64,
    /// From the reader.
    pub n_read: u64,
    pub n_committed: u64,
    pub n_quarantined: u64,
    pub n_dropped: u64,
    pub n_duplicate: u64,
}

/// What one expectation, or one quality check of a column, said of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectationResult {
    pub table: TableName,
    pub name: String,
    pub on_fail: String,
    pub n_checked: u64,
    pub n_failed: u64,
    /// Numbers, in the file, of the first rows that failed.
    pub first_rows: Vec<u64>,
    /// By value of `first_rows`, the row's first coordinate and the value that
    /// failed, of a quality check; empty of an expectation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_times: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_values: Vec<String>,
    /// One failing value, for people.
    pub sample: Option<String>,
}

impl ExpectationResult {
    /// The column that it is about, where its name says so: `missing[pressure]`.
    pub fn column(&self) -> Option<&str> {
        self.name.strip_suffix(']')?.split_once('[').map(|(_, column)| column)
    }
}

/// What the ledger knows of the job that an outcome speaks of.
struct Finishing<'a> {
    outcome: &'a Outcome,
    seq: Seq,
    replaces: bool,
}

impl Store {
    /// An attempt has failed in a way that may pass: the jobs are queued again,
    /// in their places, with one more attempt and this failure. Jobs that are
    /// no longer open are passed over.
    pub async fn retry(
        &self,
        jobs: &[i64],
        failure: &Failure,
        run: RunId,
        not_before: Millis,
        now: Millis,
    ) -> Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        for job_id in jobs {
            let row = sqlx::query(
                "update jobs set attempts = attempts + 1, not_before = ? where job_id = ? and open = 1 \
                 returning file_id, attempts",
            )
            .bind(not_before.0)
            .bind(job_id)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(row) = row else { continue };
            let file_id = FileId(row.try_get(0)?);
            let attempt = row.try_get(1)?;
            let event = Event { file_id, job_id: *job_id, run: Some(run), attempt, verdict: "retry" };
            let failure_id = event.record(&mut tx, failure, now).await?;
            sqlx::query("update files set state = 'queued', since = ?, failure_id = ? where file_id = ?")
                .bind(now.0)
                .bind(failure_id)
                .bind(file_id.0)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// The file waits for a person; its job is closed. If a newer file of the
    /// same path that replaces it has come meanwhile, nobody needs to look at
    /// it: it is replaced. Returns the state that the file has now.
    ///
    /// # Errors
    /// `NotOpen` if the job was closed by someone else; nothing is changed.
    pub async fn park(
        &self,
        file_id: FileId,
        job_id: i64,
        failure: &Failure,
        run: Option<RunId>,
        now: Millis,
    ) -> Result<FileState> {
        let mut tx = self.write().await?;
        let newer = sqlx::query(
            "select n.file_id from files f join files n on n.path_id = f.path_id and n.live = 1 \
             where f.file_id = ? and n.dataset_id = f.dataset_id and n.file_id > f.file_id and n.replaces = 1 \
             order by n.file_id limit 1",
        )
        .bind(file_id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let newer: Option<i64> = newer.map(|row| row.try_get(0)).transpose()?;
        let state = if newer.is_some() { FileState::Replaced } else { FileState::Parked };
        let row = sqlx::query(
            "update jobs set attempts = attempts + 1, open = 0, result = ?, closed_at = ? \
             where job_id = ? and file_id = ? and open = 1 returning attempts",
        )
        .bind(state.name())
        .bind(now.0)
        .bind(job_id)
        .bind(file_id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Err(not_open(&mut tx, job_id).await?) };
        let event = Event { file_id, job_id, run, attempt: row.try_get(0)?, verdict: "park" };
        let failure_id = event.record(&mut tx, failure, now).await?;
        sqlx::query(
            "update files set state = ?, since = ?, live = ?, replaced_by = ?, failure_id = ?, run_id = ? \
             where file_id = ?",
        )
        .bind(state.name())
        .bind(now.0)
        .bind(i64::from(newer.is_none()))
        .bind(newer)
        .bind(failure_id)
        .bind(run.map(|r| r.0))
        .bind(file_id.0)
        .execute(&mut *tx)
        .await?;
        if newer.is_some() {
            originals::succeed(&mut tx, &[file_id.0], now).await?;
        }
        tx.commit().await?;
        Ok(state)
    }

    /// The files' rows are in their tables: their jobs are done, the files that
    /// they replace are replaced, and what is known of them is stored. Said
    /// twice of the same job, the second time changes nothing.
    ///
    /// # Errors
    /// `LeaseLost` if the lane is no longer ours, `NotOpen` if a job was parked
    /// or replaced, `Corrupt` if a job is not of that file; nothing is changed.
    pub async fn finish(
        &self,
        lane: &LaneName,
        owner: &str,
        outcomes: &[Outcome],
        commits: &[CommitRecord],
        run: RunId,
        now: Millis,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let lane_id = held(&mut tx, lane, owner).await?;
        let finishing = look_up(&mut tx, lane_id, outcomes).await?;
        let mut tables = Tables::default();
        record(&mut tx, &mut tables, commits).await?;

        bulk::execute(
            &mut tx,
            "with v (job_id, closed_at) as (values $rows) update jobs set open = 0, result = 'done', \
             closed_at = v.closed_at from v where jobs.job_id = v.job_id",
            2,
            &finishing,
            |b, f| {
                b.put(f.outcome.job_id).put(now.0);
            },
        )
        .await?;
        bulk::execute(
            &mut tx,
            "with v (file_id, at, run_id, n_read, n_rows, duration_ms) as (values $rows) \
             update files set state = 'committed', since = v.at, committed_at = v.at, run_id = v.run_id, \
             n_read = v.n_read, n_rows = v.n_rows, duration_ms = v.duration_ms, failure_id = null \
             from v where files.file_id = v.file_id",
            6,
            &finishing,
            |b, f| {
                b.put(f.outcome.file_id.0).put(now.0).put(run.0).put(signed(f.outcome.n_read));
                b.put(signed(f.outcome.n_committed())).put(signed(f.outcome.duration_ms));
            },
        )
        .await?;
        let versions = Versions::of(commits.iter().filter(|c| c.lane == *lane));
        let outcomes: Vec<(&Outcome, Seq)> = finishing.iter().map(|f| (f.outcome, f.seq)).collect();
        store_details(&mut tx, &mut tables, &outcomes, &versions).await?;

        let replacing: Vec<FileId> =
            finishing.iter().filter(|f| f.replaces).map(|f| f.outcome.file_id).collect();
        mark_replaced(&mut tx, &replacing, now).await?;
        Ok(tx.commit().await?)
    }

    /// Where the file's rows went, by table.
    pub async fn rows_of(&self, file_id: FileId) -> Result<Vec<TableRows>> {
        let rows = sqlx::query(
            "select t.table_name, r.n_in, r.n_read, r.n_committed, r.n_quarantined, r.n_dropped, r.n_duplicate \
             from file_tables r join tables t on t.table_id = r.table_id where r.file_id = ? order by t.table_name",
        )
        .bind(file_id.0)
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(TableRows {
                    table: crate::intern::parse_table(row.try_get(0)?)?,
                    n_in: unsigned(row.try_get(1)?),
                    n_read: unsigned(row.try_get(2)?),
                    n_committed: unsigned(row.try_get(3)?),
                    n_quarantined: unsigned(row.try_get(4)?),
                    n_dropped: unsigned(row.try_get(5)?),
                    n_duplicate: unsigned(row.try_get(6)?),
                })
            })
            .collect()
    }
}

impl Outcome {
    pub(crate) fn n_committed(&self) -> u64 {
        self.tables.iter().map(|t| t.n_committed).sum()
    }
}

/// A failure of a file, to be recorded.
struct Event {
    file_id: FileId,
    job_id: i64,
    run: Option<RunId>,
    attempt: i64,
    verdict: &'static str,
}

impl Event {
    async fn record(&self, conn: &mut Connection, failure: &Failure, now: Millis) -> Result<i64> {
        let row = sqlx::query(
            "insert into failures (file_id, job_id, run_id, attempt, code, message, verdict, failed_at) \
             values (?, ?, ?, ?, ?, ?, ?, ?) returning failure_id",
        )
        .bind(self.file_id.0)
        .bind(self.job_id)
        .bind(self.run.map(|r| r.0))
        .bind(self.attempt)
        .bind(failure.code.id())
        .bind(failure.message.as_str())
        .bind(self.verdict)
        .bind(now.0)
        .fetch_one(conn)
        .await?;
        Ok(row.try_get(0)?)
    }
}

/// The error for a job that is not open.
async fn not_open(conn: &mut Connection, job_id: i64) -> Result<Error> {
    let row =
        sqlx::query("select result from jobs where job_id = ?").bind(job_id).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(Error::corrupt(format!("job {job_id} is not known"))) };
    let result: Option<String> = row.try_get(0)?;
    Ok(match result {
        Some(result) => Error::NotOpen { job_id, result },
        None => Error::corrupt(format!("job {job_id} is of another file")),
    })
}

/// Pairs outcomes with their open jobs; leaves out those that are done already.
async fn look_up<'a>(
    conn: &mut Connection,
    lane_id: i64,
    outcomes: &'a [Outcome],
) -> Result<Vec<Finishing<'a>>> {
    let numbered: Vec<(usize, &Outcome)> = outcomes.iter().enumerate().collect();
    let rows = bulk::fetch(
        conn,
        "with v (i, job_id) as (values $rows) select v.i, j.file_id, j.lane_id, j.seq, j.open, j.result, f.replaces \
         from v left join jobs j on j.job_id = v.job_id left join files f on f.file_id = j.file_id",
        2,
        &numbered,
        |b, (i, outcome)| {
            b.put(signed(*i as u64)).put(outcome.job_id);
        },
    )
    .await?;
    let mut finishing = Vec::with_capacity(rows.len());
    for row in rows {
        let outcome = &outcomes[row.try_get::<i64, _>(0)? as usize];
        let file_id: Option<i64> = row.try_get(1)?;
        let lane: Option<i64> = row.try_get(2)?;
        if file_id != Some(outcome.file_id.0) || lane != Some(lane_id) {
            let (job_id, file_id) = (outcome.job_id, outcome.file_id);
            return Err(Error::corrupt(format!("job {job_id} of {file_id} is not one of this lane")));
        }
        if row.try_get(4)? {
            finishing.push(Finishing { outcome, seq: Seq(row.try_get(3)?), replaces: row.try_get(6)? });
            continue;
        }
        match row.try_get::<Option<String>, _>(5)? {
            Some(result) if result == "done" => {}
            result => {
                let result = result.unwrap_or_default();
                return Err(Error::NotOpen { job_id: outcome.job_id, result });
            }
        }
    }
    Ok(finishing)
}

/// The files that `replacing` take the place of: their rows have gone.
async fn mark_replaced(conn: &mut Connection, replacing: &[FileId], now: Millis) -> Result<()> {
    let replaced = replaced_files(conn, replacing).await?;
    let mut pairs: Vec<(FileId, FileId)> =
        replaced.into_iter().flat_map(|(by, files)| files.into_iter().map(move |f| (f, by))).collect();
    // When one path was replaced twice in one go, the first to do so counts.
    pairs.sort_unstable();
    pairs.dedup_by_key(|(file, _)| *file);
    bulk::execute(
        conn,
        "with v (file_id, closed_at) as (values $rows) update jobs set open = 0, result = 'replaced', \
         closed_at = v.closed_at from v where jobs.job_id = (select f.job_id from files f \
         where f.file_id = v.file_id) and jobs.open = 1",
        2,
        &pairs,
        |b, (file_id, _)| {
            b.put(file_id.0).put(now.0);
        },
    )
    .await?;
    bulk::execute(
        conn,
        "with v (file_id, replaced_by, since) as (values $rows) update files set state = 'replaced', live = 0, \
         replaced_by = v.replaced_by, since = v.since from v where files.file_id = v.file_id",
        3,
        &pairs,
        |b, (file_id, by)| {
            b.put(file_id.0).put(by.0).put(now.0);
        },
    )
    .await?;
    let files: Vec<FileId> = pairs.iter().map(|(file, _)| *file).collect();
    exports::due(conn, &files).await?;
    let gone: Vec<i64> = pairs.iter().map(|(file, _)| file.0).collect();
    originals::succeed(conn, &gone, now).await
}

/// The versions of tables that a transaction's commits made, by the seq they
/// reach up to.
pub(crate) struct Versions(HashMap<TableName, Vec<(Seq, i64)>>);

impl Versions {
    pub(crate) fn of<'a>(commits: impl Iterator<Item = &'a CommitRecord>) -> Self {
        let mut versions: HashMap<TableName, Vec<(Seq, i64)>> = HashMap::new();
        for commit in commits {
            versions.entry(commit.table.clone()).or_default().push((commit.seq, commit.version));
        }
        versions.values_mut().for_each(|v| v.sort_unstable());
        Self(versions)
    }

    /// The version with which the table got the rows of `seq`: that of the
    /// first commit that reaches it.
    fn holding(&self, table: &TableName, seq: Seq) -> Option<i64> {
        self.0.get(table)?.iter().find(|(upto, _)| *upto >= seq).map(|(_, version)| *version)
    }
}

/// Stores counts, statistics and expectations of files that have none yet.
pub(crate) async fn store_details(
    conn: &mut Connection,
    tables: &mut Tables,
    outcomes: &[(&Outcome, Seq)],
    versions: &Versions,
) -> Result<()> {
    struct PerTable<'a> {
        file_id: FileId,
        table_id: i64,
        rows: &'a TableRows,
        version: Option<i64>,
        quarantine_version: Option<i64>,
    }
    let mut per_table = Vec::with_capacity(outcomes.len());
    for (outcome, seq) in outcomes {
        for rows in &outcome.tables {
            let table_id = tables.id(conn, &rows.table).await?;
            let version = versions.holding(&rows.table, *seq).filter(|_| rows.n_committed > 0);
            let quarantine_version =
                if rows.n_quarantined > 0 { versions.holding(&rows.table.quarantine(), *seq) } else { None };
            per_table.push(PerTable {
                file_id: outcome.file_id,
                table_id,
                rows,
                version,
                quarantine_version,
            });
        }
    }
    bulk::execute(
        conn,
        "insert into file_tables (file_id, table_id, n_in, n_read, n_committed, n_quarantined, n_dropped, \
         n_duplicate, version, quarantine_version) values $rows",
        10,
        &per_table,
        |b, t| {
            b.put(t.file_id.0).put(t.table_id).put(signed(t.rows.n_in)).put(signed(t.rows.n_read));
            b.put(signed(t.rows.n_committed)).put(signed(t.rows.n_quarantined));
            b.put(signed(t.rows.n_dropped)).put(signed(t.rows.n_duplicate));
            b.put(t.version).put(t.quarantine_version);
        },
    )
    .await?;
    let files: Vec<FileId> = outcomes.iter().map(|(outcome, _)| outcome.file_id).collect();
    exports::due(conn, &files).await?;
    let mut shapes = Shapes::default();
    let mut detailed = Vec::with_capacity(outcomes.len());
    for (outcome, _) in outcomes {
        detailed.push((*outcome, shapes.id(conn, &outcome.contents).await?));
    }
    // A file that was parked before has a row already, of what it held then.
    bulk::execute(
        conn,
        "insert into file_details (file_id, column_stats, expectations, shape_id, counts, problems) values $rows \
         on conflict (file_id) do update set column_stats = excluded.column_stats, \
         expectations = excluded.expectations, shape_id = excluded.shape_id, counts = excluded.counts, \
         problems = excluded.problems",
        6,
        &detailed,
        |b, (outcome, shape_id)| {
            let (counts, problems) = review::texts(&outcome.contents);
            b.put(outcome.file_id.0).put(outcome.column_stats.as_str());
            b.put(serde_json::to_string(&outcome.expectations).expect("numbers and text are JSON"));
            b.put(*shape_id).put(counts).put(problems);
        },
    )
    .await
}

/// Forgets what [`store_details`] stored.
pub(crate) async fn forget_details(conn: &mut Connection, files: &[FileId]) -> Result<()> {
    for sql in [
        "with v (file_id) as (values $rows) delete from file_tables where file_id in (select file_id from v)",
        "with v (file_id) as (values $rows) delete from file_details where file_id in (select file_id from v)",
    ] {
        bulk::execute(conn, sql, 1, files, |b, file_id| {
            b.put(file_id.0);
        })
        .await?;
    }
    Ok(())
}
